import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compareInventory, isClean, preflightRows, type Row } from "../../commands/doctor/compare.ts";
import { type Inventory, type Observed, parseObserved, renderQuestions } from "../../commands/doctor/observe.ts";
import { repairCommands } from "../../commands/doctor/repair.ts";
import { parseConfiguration } from "../../config/load.ts";
import { sha256 } from "../../lib/hash.ts";
import { remoteCommand } from "../../lib/shell.ts";
import { renderProbe } from "../../preflight/probe.ts";
import { renderHostFileCreate } from "../../templates/host-file-script.ts";
import { adoptableFacts, adoptedConfiguration } from "./fixtures.ts";
import { shellcheck } from "./shellcheck.ts";

const hash = sha256("content");
const inventory: Inventory = {
  files: [
    { path: "/etc/logrotate.d/im-suite", mode: "0644", sha256: hash },
    { path: "/etc/im-suite/credentials/x.cnf", mode: "0400", owner: "65532:65532" },
  ],
  units: ["im-health-check.timer"],
  containers: ["im-mysql-prod"],
  mysqlAccounts: ["im_exporter@%"],
};

/** A server on which everything of the inventory is as it was put there. */
function whole(): { files: Map<string, never>; units: Map<string, never>; mysqlAccounts: Observed["mysqlAccounts"] } {
  return {
    files: new Map<string, unknown>([
      ["/etc/logrotate.d/im-suite", { mode: "644", owners: ["root:root", "root:0", "0:root", "0:0"], sha256: hash }],
      [
        "/etc/im-suite/credentials/x.cnf",
        {
          mode: "400",
          owners: ["UNKNOWN:UNKNOWN", "UNKNOWN:65532", "65532:UNKNOWN", "65532:65532"],
          sha256: undefined,
        },
      ],
    ]) as Map<string, never>,
    units: new Map<string, unknown>([
      ["im-health-check.timer", { active: "active", enabled: "enabled", exitCode: 0, ended: "" }],
      ["im-health-check.service", { active: "inactive", enabled: "static", exitCode: 0, ended: "Mon 12:00:00 UTC" }],
    ]) as Map<string, never>,
    mysqlAccounts: ["root@localhost", "im_exporter@%"],
  };
}

function rowsAfter(change: (observed: ReturnType<typeof whole>) => void, facts = adoptableFacts()): Row[] {
  const observed = whole();
  change(observed);
  return compareInventory(inventory, observed, facts);
}

const bad = (rows: readonly Row[]) => rows.filter((row) => row.verdict !== "ok");
const file = (mode: string, owner: string, content: string | undefined) =>
  ({ mode, owners: [owner, owner], sha256: content === undefined ? undefined : sha256(content) }) as never;

describe("compareInventory", () => {
  test("a whole server has no drift", () => {
    const rows = rowsAfter(() => {});
    expect(bad(rows)).toEqual([]);
    expect(rows).toHaveLength(6);
    expect(isClean(rows)).toBe(true);
  });

  test.each<[string, (observed: ReturnType<typeof whole>) => void, string, string]>([
    [
      "a file that was edited",
      (one) => one.files.set("/etc/logrotate.d/im-suite", file("644", "root:root", "edited")),
      "file /etc/logrotate.d/im-suite",
      sha256("edited").slice(0, 12),
    ],
    [
      "a file with another mode",
      (one) => one.files.set("/etc/logrotate.d/im-suite", file("666", "root:root", "content")),
      "file /etc/logrotate.d/im-suite",
      "666",
    ],
    [
      "a secret file with another owner",
      (one) => one.files.set("/etc/im-suite/credentials/x.cnf", file("400", "www-data:www-data", undefined)),
      "file /etc/im-suite/credentials/x.cnf",
      "www-data",
    ],
    [
      "a missing file",
      (one) => one.files.delete("/etc/logrotate.d/im-suite"),
      "file /etc/logrotate.d/im-suite",
      "missing",
    ],
    [
      "a directory in its place",
      (one) => one.files.set("/etc/logrotate.d/im-suite", file("644", "root:root", undefined)),
      "file /etc/logrotate.d/im-suite",
      "no file",
    ],
    [
      "a stopped timer",
      (one) =>
        one.units.set("im-health-check.timer", {
          active: "inactive",
          enabled: "enabled",
          exitCode: 0,
          ended: "",
        } as never),
      "unit im-health-check.timer",
      "inactive",
    ],
    [
      "a timer that the next boot does not start",
      (one) =>
        one.units.set("im-health-check.timer", {
          active: "active",
          enabled: "disabled",
          exitCode: 0,
          ended: "",
        } as never),
      "unit im-health-check.timer",
      "disabled",
    ],
    [
      "a unit that is gone",
      (one) => one.units.delete("im-health-check.timer"),
      "unit im-health-check.timer",
      "missing",
    ],
    [
      "an account that was dropped",
      (one) => {
        one.mysqlAccounts = ["root@localhost", "im_exporter@localhost"];
      },
      "MySQL account im_exporter@%",
      "missing",
    ],
  ])("%s is drift", (_, change, what, found) => {
    const rows = bad(rowsAfter(change));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ what, verdict: "drift" });
    expect(rows[0]?.found).toContain(found);
    expect(isClean(rows)).toBe(false);
  });

  test("an unhealthy suite and a login that fails are not drift, and not clean", () => {
    const rows = rowsAfter((one) => {
      one.mysqlAccounts = { error: "ERROR 1045: Access denied" };
      one.units.set("im-health-check.service", {
        active: "failed",
        enabled: "static",
        exitCode: 1,
        ended: "Mon 12:05:00 UTC",
      } as never);
    });
    expect(bad(rows).map((row) => row.verdict)).toEqual(["unhealthy", "unhealthy"]);
    expect(bad(rows)[0]?.found).toContain("exit code 1, Mon 12:05:00 UTC");
    expect(isClean(rows)).toBe(false);
  });

  test("a check that has not run since the boot is only noted", () => {
    const rows = rowsAfter((one) =>
      one.units.set("im-health-check.service", {
        active: "inactive",
        enabled: "static",
        exitCode: 0,
        ended: "",
      } as never),
    );
    expect(bad(rows).map((row) => row.verdict)).toEqual(["note"]);
    expect(isClean(rows)).toBe(true);
  });

  test.each([
    ["gone", [], "drift", "missing"],
    ["stopped", [{ ...adoptableFacts().containers[0], status: "exited" }], "drift", "exited"],
    ["restarting often", [{ ...adoptableFacts().containers[0], restartCount: 7 }], "note", "restarted 7 times"],
  ])("a container that is %s", (_, containers, verdict, found) => {
    const rows = bad(rowsAfter(() => {}, { ...adoptableFacts(), containers: containers as never }));
    expect(rows).toMatchObject([{ what: "container im-mysql-prod", verdict }]);
    expect(rows[0]?.found).toContain(found);
  });
});

describe("preflightRows", () => {
  const configuration = parseConfiguration(adoptedConfiguration());

  test("what a preview would refuse is refused here, in the same words", () => {
    const containers = adoptableFacts().containers.filter((one) => one.name !== "im-redis-prod");
    const rows = preflightRows(configuration, { ...adoptableFacts(), containers });
    expect(rows.filter((row) => row.verdict === "refuse").map((row) => row.what)).toEqual([
      "adopted im-redis-prod",
      "im:suite.containers.redis",
    ]);
    expect(isClean(rows)).toBe(false);
  });

  test("a good server: facts are told, every adopted container is named", () => {
    const rows = preflightRows(configuration, adoptableFacts());
    expect(isClean(rows)).toBe(true);
    expect(rows.filter((row) => row.what.startsWith("adopted "))).toHaveLength(7);
    expect(rows.find((row) => row.what === "MySQL version")?.found).toBe("8.0.36");
  });
});

describe("the questions", () => {
  const folder = mkdtempSync(join(tmpdir(), "im-doctor-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("are sound bash", () => {
    shellcheck(new Map([["doctor", renderProbe({ extra: renderQuestions(inventory, "im-mysql") })]]));
  });

  test("run on this machine, they find files as they are, whatever their names", () => {
    const path = join(folder, "it's a $file|name");
    writeFileSync(path, "content");
    chmodSync(path, 0o640);
    const asked: Inventory = {
      files: [
        { path, mode: "0640", sha256: hash },
        { path: join(folder, "gone"), mode: "0644" },
      ],
      units: ["im-not-installed-here.timer"],
      containers: [],
      mysqlAccounts: [],
    };
    const result = spawnSync("bash", ["-s"], {
      input: renderProbe({ extra: renderQuestions(asked, "im-mysql") }),
      encoding: "utf8",
    });
    expect(result.status, result.stderr).toBe(0);
    const observed = parseObserved(result.stdout, asked);
    expect(observed.files.get(path)).toMatchObject({ mode: "640", sha256: hash });
    expect(observed.files.get(path)?.owners.at(-1)).toBe(`${process.getuid?.()}:${process.getgid?.()}`);
    // A user with a name and a group without one, as backend-secrets have it.
    expect(observed.files.get(path)?.owners).toContain(`${userInfo().username}:${process.getgid?.()}`);
    expect(observed.files.get(join(folder, "gone"))).toBeUndefined();
    const rows = compareInventory(asked, observed, adoptableFacts());
    expect(rows.map((row) => row.verdict).slice(0, 3)).toEqual(["ok", "drift", "drift"]);
  });

  test("the answers of systemctl and MySQL are read", () => {
    const output = [
      "doctor.unit\tId=im-health-check.timer",
      "doctor.unit\tActiveState=active",
      "doctor.unit\tUnitFileState=enabled",
      "doctor.unit\t",
      "doctor.unit\tExecMainExitTimestamp=Mon 2026-11-23 12:55:06 UTC",
      "doctor.unit\tExecMainStatus=1",
      "doctor.unit\tId=im-health-check.service",
      "doctor.unit\tActiveState=failed",
      "doctor.unit\tUnitFileState=static",
      "doctor.account\troot@localhost",
      "doctor.account\tim_exporter@%",
    ].join("\n");
    const observed = parseObserved(output, inventory);
    expect(observed.units.get("im-health-check.timer")).toMatchObject({ active: "active", enabled: "enabled" });
    expect(observed.units.get("im-health-check.service")).toEqual({
      active: "failed",
      enabled: "static",
      exitCode: 1,
      ended: "Mon 2026-11-23 12:55:06 UTC",
    });
    expect(observed.mysqlAccounts).toEqual(["root@localhost", "im_exporter@%"]);
    expect(parseObserved("doctor.mysql-error\tERROR 1045", inventory).mysqlAccounts).toEqual({ error: "ERROR 1045" });
  });
});

test("what drifted is put back by the resource that owns it, on its own server", () => {
  const path = "/etc/logrotate.d/im-suite";
  const create = remoteCommand(
    renderHostFileCreate({ path, mode: "0644", owner: "root:root", directoryMode: "0755" }),
    60,
  );
  const command = (name: string, text: string) => ({
    urn: `urn:pulumi:stage1::p::command:remote:Command::${name}`,
    type: "command:remote:Command",
    inputs: { create: text, triggers: [path] },
  });
  const password = (name: string) => ({
    urn: `urn:pulumi:stage1::p::random:RandomPassword::${name}`,
    type: "random:index/randomPassword:RandomPassword",
  });
  const resources = [
    command("a-gate", remoteCommand("sleep 1", 60)),
    command("b-log-rotation-command", create),
    command("a-log-rotation-command", create),
    password("a-mysql-monitoring-health-password"),
    password("a-mysql-monitoring-exporter-password"),
  ];
  const drift = (kind: "file" | "unit" | "container" | "account", name: string): Row => ({
    what: "",
    expected: "",
    found: "",
    verdict: "drift",
    subject: { kind, name },
  });
  const repair = (...rows: Row[]) =>
    repairCommands("pulumi", "stage1", { alias: "a", address: "203.0.113.10" }, rows, resources);
  expect(repair(drift("file", path), drift("account", "im_exporter@%"))).toEqual([
    "pulumi up -s stage1 --replace urn:pulumi:stage1::p::command:remote:Command::a-log-rotation-command --replace urn:pulumi:stage1::p::random:RandomPassword::a-mysql-monitoring-exporter-password",
  ]);
  expect(repair(drift("container", "im-x"), drift("unit", "im-health-check.timer"))).toEqual([
    "pulumi up -s stage1 --refresh",
    "ssh root@203.0.113.10 systemctl enable --now im-health-check.timer",
  ]);
  expect(repair({ ...drift("file", path), verdict: "ok" })).toEqual([]);
});
