import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { script } from "../../lib/shell.ts";
import { parsePairFacts, renderPairQuestions } from "../../preflight/pair-facts.ts";
import { renderProbe } from "../../preflight/probe.ts";
import { shellcheck } from "./shellcheck.ts";

const questions = renderPairQuestions({
  peerAddress: "127.0.0.1",
  vip: { address: "127.0.0.1", interface: "lo" },
  mysqlContainer: "im-mysql-prod",
});

describe("what a pair asks of a server", () => {
  it("is sound bash, within the probe", () => {
    shellcheck(new Map([["probe", renderProbe({ extra: questions })]]));
  });

  it("run on this machine, tells what this machine is", () => {
    const text = script('fact() { printf "%s\\t%s\\n" "$1" "$2"; }', 'version=""', ...questions);
    const { stdout, status, stderr } = spawnSync("bash", ["-s"], { input: text, encoding: "utf8", timeout: 30_000 });
    expect(status, stderr).toBe(0);
    const facts = parsePairFacts(stdout);
    expect(facts.addresses).toContainEqual({ interface: "lo", address: "127.0.0.1", prefixLength: 8 });
    expect(facts.vipHolder).toBe("self");
    expect(facts.routed).toBe(false);
    expect(facts.mysql).toBeUndefined();
  });

  it("is read line by line, whatever is missing", () => {
    const facts = parsePairFacts(
      [
        "pair.machine\tabc",
        "pair.address\teth0 10.0.0.11/24",
        "pair.unit\tim-etcd.service",
        "pair.rtt\t0.412",
        "pair.routed\tyes",
        "pair.vip\t52:54:00:12:34:56",
        "pair.vrrp\t10.0.0.1 51",
        "pair.member\tyes",
        "pair.mysql\tbase|8.4.6|1|1|ROW|900",
        "pair.mysql\tengine|im.log (MyISAM)",
        "pair.mysql\tkey|im.log",
        "pair.mysql\tsource|10.9.9.9:3306",
        "pair.mysql\tmighty|root",
        "pair.mysql\tbound|im@172.18.%",
      ].join("\n"),
    );
    expect(facts).toMatchObject({
      machineId: "abc",
      addresses: [{ interface: "eth0", address: "10.0.0.11", prefixLength: 24 }],
      activeUnits: ["im-etcd.service"],
      roundTripMilliseconds: 0.412,
      routed: true,
      vipHolder: "52:54:00:12:34:56",
      vrrp: [{ source: "10.0.0.1", virtualRouterId: 51 }],
      wasMember: true,
      mysql: {
        version: "8.4.6",
        tls: true,
        dataMiB: 900,
        otherEngines: ["im.log (MyISAM)"],
        withoutPrimaryKey: ["im.log"],
        replicaOf: ["10.9.9.9:3306"],
        mighty: ["root"],
        boundToAddress: ["im@172.18.%"],
      },
    });
    expect(parsePairFacts("").roundTripMilliseconds).toBeUndefined();
    expect(parsePairFacts("pair.mysql.error\tERROR 1045\n").mysql).toEqual({ error: "ERROR 1045" });
  });
});
