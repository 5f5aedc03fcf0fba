import { beforeAll, describe, expect, it, vi } from "vitest";
import { type Registered, settled, useMocks } from "../support/mocks.ts";
import { testPair } from "../support/pair.ts";

// The real ones bundle the controller and fetch Node.
vi.mock("../../components/failover/program-files.ts", () => import("../support/program-files.ts"));

let all: readonly Registered[];
const commands = () => all.filter((one) => one.type === "command:remote:Command");
const containers = () => all.filter((one) => one.type === "docker:index/container:Container");

beforeAll(async () => {
  all = await useMocks();
  const { stage2 } = await import("../../stacks/stage2.ts");
  const { configuration, below } = testPair({ mode: "create" });
  stage2(configuration, below);
  await settled();
});

/** Where a resource stands in the order of creation; one that depends on another is registered after it. */
function position(name: string): number {
  const index = all.findIndex((one) => one.name === name);
  if (index < 0) throw new Error(`no resource ${name}`);
  return index;
}

describe("the order of the migration", () => {
  // A destroy goes backwards along the same dependencies.
  it.each([
    ["the allow-list is there before anything listens", "a-firewall-runs-command", "a-votes-member-command"],
    ["b is invited when a votes", "a-votes-member-command", "b-votes-invitation-command"],
    ["the witness is invited when b votes", "b-votes-member-command", "witness-votes-invitation-command"],
    ["the votes are whole before a's MySQL is touched", "votes-healthy-command", "a-mysql-variables-command"],
    ["accounts come after the plugins", "a-mysql-variables-command", "a-mysql-accounts-command"],
    ["b's MySQL is made when a's settings are known", "a-mysql-settings-command", "b-suite-mysql-container"],
    ["b is prepared when it answers", "b-suite-mysql-answers-command", "b-mysql-prepared-empty-command"],
    ["b's HAProxy is changed after a's", "a-balancer-runs-command", "b-balancer-runs-command"],
    ["the pair begins when a's controller runs", "a-controller-program-runs-command", "pair-begins-command"],
    [
      "a boots closed only when somebody opens it",
      "pair-has-a-leader-command",
      "a-mysql-boots-read-only-persisted-command",
    ],
    [
      "b's controller starts when a leads for good",
      "a-mysql-boots-read-only-persisted-command",
      "b-controller-program-runs-command",
    ],
    ["the gate waits for b's controller", "b-controller-program-runs-command", "pair-is-whole-command"],
    ["b leaves the set before its controller stops", "b-controller-program-runs-command", "b-pair-end-leaves-command"],
    ["the address comes when the set is whole", "pair-is-whole-command", "a-virtual-ip-runs-command"],
    ["applications come when the data is there", "pair-is-whole-command", "b-applications-backend-container"],
    ["alerts come when there is something to watch", "pair-is-whole-command", "a-pair-monitoring-rules-command"],
  ])("%s", (_why, first, then) => expect(position(first)).toBeLessThan(position(then)));

  it("ends with the guard, so that a destroy begins with it", () => {
    expect(all.at(-1)?.name).toBe("pair-guard-command");
    const guard = commands().at(-1)?.inputs["delete"];
    expect(guard).toContain("Switch over first");
    expect(guard).toContain("pulumi destroy -s stage3");
  });
});

describe("a destroy", () => {
  const deletes = () => commands().filter((one) => one.inputs["delete"] !== undefined);

  it("reads credentials from files, never from its own text", () => {
    for (const { name, inputs } of deletes()) {
      expect(String(inputs["delete"]), name).not.toMatch(/canary|generated(?!-)|stdoutof/);
    }
  });

  it("puts server a's MySQL back, and removes no data", () => {
    const undo = deletes().find((one) => one.name === "a-mysql-variables-command")?.inputs["delete"];
    expect(undo).toContain("DROP USER IF EXISTS");
    expect(undo).toContain("SET GLOBAL super_read_only = OFF");
    for (const { name, inputs } of deletes()) {
      const text = String(inputs["delete"]);
      expect(text, name).not.toMatch(/rm -rf[^\n]*\/var\/lib\/im-suite\/(data|secrets|backup)/);
      expect(text, name).not.toMatch(/docker (restart|stop|kill|rm)/);
    }
  });
});

describe("server b of a created suite", () => {
  it("has the containers of the suite, with passwords in files", () => {
    const names = containers().map((one) => one.inputs["name"]);
    for (const name of ["im-mysql", "im-redis", "im-minio", "im-backend", "im-admin"]) expect(names).toContain(name);
    for (const { inputs } of containers()) {
      const visible = JSON.stringify([inputs["envs"], inputs["labels"], inputs["command"]]);
      for (const secret of ["canary-mysql", "canary-application", "generated"]) expect(visible).not.toContain(secret);
    }
  });

  it("boots a MySQL that nobody but the controller opens", () => {
    const prepare = String(commands().find((one) => one.name === "b-mysql-prepared-empty-command")?.inputs["create"]);
    expect(prepare).toContain("SET PERSIST_ONLY super_read_only = ON");
    expect(prepare).toContain("SET PERSIST_ONLY skip_replica_start = ON");
    const mysql = containers().find((one) => one.inputs["name"] === "im-mysql");
    expect(mysql?.inputs["envs"]).toContain("MYSQLD_PARENT_PID=0");
    expect(mysql?.inputs["destroyGraceSeconds"]).toBeGreaterThanOrEqual(120);
  });
});
