import { beforeAll, describe, expect, it, vi } from "vitest";
import { text } from "../support/in-image.ts";
import { inPairPrograms, pairPrograms } from "../support/pair-programs.ts";
import { stage2Program } from "../unit/stage2-program.ts";

// The real ones bundle the controller and fetch Node.
vi.mock("../../components/failover/program-files.ts", () => import("../support/program-files.ts"));

let image: string;
let files: ReadonlyMap<string, string>;

/** HAProxy reads the certificates; ours are words here. */
const certificates =
  "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -out /etc/im-suite/haproxy/ca.crt -subj /CN=x -days 1 2>/dev/null";

beforeAll(async () => {
  image = await pairPrograms();
  files = (await stage2Program("create")).get("b")?.files ?? new Map();
}, 600_000);

const changed = (path: string, from: string, to: string): ReadonlyMap<string, string> => {
  const content = files.get(path) ?? "";
  expect(content, path).toContain(from);
  return new Map([...files, [path, content.replace(from, to)]]);
};

describe("the distribution's programs accept what we render for a pair, and refuse it when it is broken", () => {
  const haproxy = `${certificates}\nmkdir -p /etc/im-suite/haproxy/conf.d\nhaproxy -c -f /etc/im-suite/haproxy/haproxy.cfg -f /etc/im-suite/haproxy/conf.d`;
  const keepalived = "keepalived --config-test --use-file /etc/im-suite/keepalived/keepalived.conf";
  const nft =
    "nft --file /etc/im-suite/firewall/pair.nft && nft --file /etc/im-suite/firewall/pair.nft && nft list ruleset";

  it.each([
    ["HAProxy", haproxy, "/etc/im-suite/haproxy/haproxy.cfg", "balance first", "balance last"],
    [
      "keepalived",
      keepalived,
      "/etc/im-suite/keepalived/keepalived.conf",
      "virtual_router_id 51",
      "virtual_router_id 0",
    ],
    ["nftables, loaded twice", nft, "/etc/im-suite/firewall/pair.nft", "type filter", "type filtre"],
  ])("%s", async (_program, script, path, right, wrong) => {
    const good = await inPairPrograms(image, script, files);
    expect(good.exitCode, text(good)).toBe(0);
    const bad = await inPairPrograms(image, script, changed(path, right, wrong));
    expect(bad.exitCode, text(bad)).not.toBe(0);
  });
});

describe("the leader check", () => {
  const check = (before: string, during = ":") =>
    `mkdir -p /run/im-suite/failover; file=/run/im-suite/failover/leader-until; read -r up _ </proc/uptime; up=\${up%.*}
${before}
( sleep 0.3; ${during} ) &
began=$(date +%s%N); /var/lib/im-suite/bin/im-leader-check; echo "code $? after $(( ($(date +%s%N) - began) / 1000000 ))"`;

  it.each([
    ["no deadline", ":", ":", 1, 700],
    ["a deadline that is not over", 'echo "$((up + 60)).25" >$file', ":", 0, 700],
    ["a deadline that is over", 'echo "$((up - 1)).00" >$file', ":", 1, 700],
    ["a file that is no deadline", 'echo "soon" >$file', ":", 1, 700],
    ["the lead lost meanwhile: at once", 'echo "$((up + 60)).00" >$file', "echo 0.00 >$file", 1, 250],
    ["the lead won meanwhile: at once", "echo 0.00 >$file", 'echo "$((up + 60)).00" >$file', 0, 250],
  ])("%s", async (_what, before, during, code, atLeast) => {
    const result = await inPairPrograms(image, check(before, during), files);
    const [, found, milliseconds] = /code (\d) after (\d+)/.exec(result.stdout) ?? [];
    expect(Number(found), text(result)).toBe(code);
    expect(Number(milliseconds)).toBeGreaterThanOrEqual(atLeast);
    // keepalived starts the next one after a second.
    expect(Number(milliseconds)).toBeLessThan(1000);
    if (atLeast < 700) expect(Number(milliseconds)).toBeLessThan(600);
  });
});
