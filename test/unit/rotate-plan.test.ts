import { describe, expect, it } from "vitest";
import {
  chosenKinds,
  counterChanges,
  milestone,
  orphansIn,
  parseRecords,
  renderRecordQuestions,
  renderRemoveOrphans,
  summarisePreview,
  withCounters,
} from "../../commands/rotate/plan.ts";
import { testConfiguration } from "../support/mocks.ts";
import { shellcheck } from "./shellcheck.ts";

const adopted = testConfiguration({ mode: "adopt" });
const created = testConfiguration({ mode: "create" });
const one = created.rotation;

describe("what is rotated", () => {
  it("is all that we created", () => {
    expect(chosenKinds(undefined, created)).toEqual(["mysql", "redis", "minio", "grafana", "backupKey", "monitoring"]);
    expect(chosenKinds(undefined, adopted)).toEqual(["backupKey", "monitoring"]);
  });

  it("is what was asked for", () => {
    expect(chosenKinds("redis, backup-key", created)).toEqual(["redis", "backupKey"]);
  });

  it("is refused for an unknown name, with those that there are", () => {
    expect(() => chosenKinds("msyql", created)).toThrow('--only "msyql": expected one or more of mysql,redis');
  });

  it("is refused for a password of an adopted suite, with the runbook", () => {
    expect(() => chosenKinds("redis", adopted)).toThrow("docs/runbooks/rotate.md");
  });

  it("is refused for a service that the suite does not have", () => {
    const without = testConfiguration({ mode: "create", without: ["grafana"] });
    expect(() => chosenKinds("grafana", without)).toThrow("this stack has none. It has mysql, redis, minio");
  });
});

describe("the counters", () => {
  it("go up by one", () => {
    expect(counterChanges(["mysql"], one, { mysql: 1 }, { mysql: { generation: 1, pending: false } })).toEqual([
      { kind: "mysql", from: 1, to: 2, finishes: false },
    ]);
  });

  it("stay where an interrupted run raised them", () => {
    const configured = { ...one, mysql: 2 };
    const records = { mysql: { generation: 1, pending: true } };
    expect(counterChanges(["mysql", "redis"], configured, { mysql: 1, redis: 1 }, records)).toEqual([
      { kind: "mysql", from: 2, to: 2, finishes: true },
      { kind: "redis", from: 1, to: 2, finishes: false },
    ]);
  });

  it("pass a server that is further than a restored configuration: a lower one would change nothing", () => {
    const records = { redis: { generation: 5, pending: false } };
    expect(counterChanges(["redis"], one, { redis: 1 }, records)).toMatchObject([{ to: 6, finishes: false }]);
  });

  it("go up for a pending rotation that no counter knows of", () => {
    const records = { redis: { generation: 1, pending: true } };
    expect(counterChanges(["redis"], one, { redis: 1 }, records)).toMatchObject([{ to: 2, finishes: true }]);
  });

  it("are written into the file, which keeps its comments and its secrets", () => {
    const text = `# ours
encryptionsalt: v1:abc
config:
  im:stage: 1 # first
  im:rotation:
    redis: 3
  im:adoptedCredentials:
    redisPassword:
      secure: v1:xyz
`;
    const changed = withCounters(text, [
      { kind: "mysql", from: 1, to: 2, finishes: false },
      { kind: "redis", from: 3, to: 4, finishes: false },
    ]);
    expect(changed).toBe(text.replace("redis: 3", "redis: 4\n    mysql: 2"));
    const fresh = withCounters("config:\n  im:stage: 1\n", [{ kind: "backupKey", from: 1, to: 2, finishes: false }]);
    expect(fresh).toBe("config:\n  im:stage: 1\n  im:rotation:\n    backupKey: 2\n");
  });
});

describe("what the server says of itself", () => {
  it("is asked by sound bash", () => shellcheck(new Map([["records", renderRecordQuestions()]])));

  it("counts the file of a kind that is further, and any that is pending", () => {
    const output = "motd\nrecord mysql 2 complete\nrecord mysql 1 pending\nrecord redis 4 complete\n";
    expect(parseRecords(output)).toEqual({
      mysql: { generation: 2, pending: true },
      redis: { generation: 4, pending: false },
    });
  });
});

describe("a preview", () => {
  it("is summed up: what changes, which containers are replaced, what would go", () => {
    const urn = (name: string) => `urn:pulumi:s::p::type::${name}`;
    const container = (name: string) => ({ type: "docker:index/container:Container", inputs: { name } });
    const steps = [
      { op: "same", urn: urn("a") },
      { op: "update", urn: urn("b"), newState: { type: "command:remote:Command" } },
      { op: "create-replacement", urn: urn("c"), newState: container("im-backend") },
      { op: "replace", urn: urn("c"), newState: container("im-backend") },
      { op: "delete-replaced", urn: urn("c") },
      { op: "delete", urn: urn("gone") },
    ];
    expect(summarisePreview(JSON.stringify({ steps }))).toEqual({
      changes: 3,
      replacedContainers: ["im-backend"],
      deleted: ["gone"],
    });
  });

  it("without steps has no changes", () => expect(summarisePreview("{}").changes).toBe(0));
});

describe("a container that a killed run left", () => {
  const id = "ec920a3a2f24d48f2417f89c853eb3b3e201741a580cdd71e2c3fd1433e079db";
  const said = `Conflict. The container name "/im-backend" is already in use by container "${id}". You have to`;

  it("is found in what Pulumi said, once, and only where a rotation replaces it", () => {
    expect(orphansIn(`${said}\n${said}`, ["im-backend"])).toEqual([{ name: "im-backend", id }]);
    expect(orphansIn(said, ["im-redis-exporter"])).toEqual([]);
    expect(orphansIn("error: update failed", ["im-backend"])).toEqual([]);
  });

  it("is taken away by sound bash, which asks for our label first", () => {
    const text = renderRemoveOrphans([{ name: "im-backend", id }]);
    expect(text.indexOf("im-suite.stage")).toBeLessThan(text.indexOf("docker stop"));
    shellcheck(new Map([["orphans", text]]));
  });
});

describe("the progress", () => {
  it("says in words what Pulumi did", () => {
    expect(milestone(" ~  command:remote:Command a-rotation-end-redis-command updated (2s) [diff: ~create]")).toBe(
      "Redis: the password: the old one is refused",
    );
    expect(milestone(" ~  command:remote:Command a-suite-mysql-passwords-command updating (0s)")).toBeUndefined();
  });
});
