import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCodeOf, renderStatus } from "../../agent/command/status-table.ts";
import type { ServerStatus, Status } from "../../agent/http/status.ts";
import { nodeRuntime } from "../../config/node-runtime.ts";
import { repositoryRoot } from "../../lib/paths.ts";
import {
  renderCommand,
  renderControllerUnit,
  renderInstallController,
  renderRemoveController,
  renderStartController,
  renderStopController,
} from "../../templates/failover/controller-program.ts";
import { shellcheck } from "./shellcheck.ts";

const hash = "a".repeat(64);

describe("the controller's files on a server", () => {
  it("are scripts that shellcheck accepts", () => {
    shellcheck(
      new Map([
        ["install", renderInstallController({ archive: hash, program: hash })],
        ["remove", renderRemoveController()],
        ["start", renderStartController()],
        ["stop", renderStopController()],
        ["command", renderCommand(hash)],
      ]),
    );
  });

  it("another version is another unit: the service is restarted with it", () => {
    expect(renderControllerUnit(hash)).not.toBe(renderControllerUnit("b".repeat(64)));
  });

  it("the unit is bound to nothing that stops", () => {
    expect(renderControllerUnit(hash)).not.toMatch(/^(Requires|Requisite|BindsTo|PartOf|Conflicts)=/m);
    // Its folder in /run holds the lease: systemd would empty it with each stop.
    expect(renderControllerUnit(hash)).not.toContain("RuntimeDirectory");
  });

  it("Node is the project's own", () => {
    const { dependencies } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
    expect(nodeRuntime.version).toBe(dependencies.node);
  });
});

const server = (name: "a" | "b", change: Partial<ServerStatus> = {}): ServerStatus => ({
  name,
  address: `198.18.0.1${name === "a" ? 1 : 2}`,
  database: { state: name === "a" ? "open" : "closed", semiSync: { enabled: name === "a", active: true, clients: 1 } },
  redis: undefined,
  backend: "healthy",
  cloning: false,
  ...change,
});

const status = (change: Partial<Status> = {}): Status => ({
  server: "b",
  role: "replica",
  because: "following",
  witness: "etcd",
  votes: "there",
  votesAwayMilliseconds: 0,
  leader: "a",
  epoch: 3,
  members: ["a", "b"],
  maintenance: false,
  handover: undefined,
  acceptedLoss: undefined,
  leaseRemainingMilliseconds: undefined,
  holdsVip: false,
  servers: [server("b"), server("a")],
  version: "8.4.6",
  receiverError: undefined,
  applierError: undefined,
  lookAgeMilliseconds: 100,
  events: [],
  ...change,
});

describe("im-ha status", () => {
  const now = new Date("2026-01-01T00:00:00Z");

  it("says first who leads, and whether the other could", () => {
    expect(renderStatus(status(), now)).toMatch(/^Server a leads, and server b has every acknowledged write\.\n/);
    expect(renderStatus(status({ members: ["a"] }), now)).toMatch(/^Server a leads ALONE: server b is not ready/);
    expect(renderStatus(status({ leader: undefined }), now)).toMatch(/^NOBODY LEADS/);
  });

  it("shows the servers in their order, whoever answers", () => {
    expect(renderStatus(status(), now)).toMatch(/server a +server b/);
    expect(renderStatus(status(), now)).toMatch(/MySQL +open +closed/);
  });

  it.each<[Partial<Status>, string]>([
    [{ maintenance: true }, "im-ha resume"],
    [{ votes: "away", votesAwayMilliseconds: 9000 }, "etcd has not answered for 9 s"],
    [{ servers: [server("a"), server("b", { database: undefined })] }, "controller of server b does not answer"],
    [{ servers: [server("a"), server("b", { cloning: true })] }, "server b is being copied anew"],
    [{ acceptedLoss: "uuid:5-9" }, "uuid:5-9"],
    [{ applierError: "1062: Duplicate" }, "1062"],
    [{ lookAgeMilliseconds: 60_000 }, "has not looked for 60 s"],
  ])("tells what is unusual: %o", (change, text) => {
    expect(renderStatus(status(change), now)).toContain(text);
    expect(renderStatus(status(), now)).not.toContain(text);
  });

  it("has an exit code for scripts", () => {
    expect([status(), status({ members: ["a"] }), status({ leader: undefined })].map(exitCodeOf)).toEqual([0, 2, 3]);
  });
});
