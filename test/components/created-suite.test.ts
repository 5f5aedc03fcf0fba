import { beforeAll, describe, expect, it } from "vitest";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];
const ofType = (type: string) => all.filter((one) => one.type === type);
const containers = () => ofType("docker:index/container:Container");
const container = (name: string) => {
  const found = containers().find((one) => one.inputs["name"] === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found.inputs;
};
type Port = { ip: string; external: number };
const ports = (inputs: Record<string, unknown>) => (inputs["ports"] ?? []) as Port[];

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  stage1(testConfiguration({ mode: "create" }));
  await settled();
});

describe("a created suite", () => {
  it("has the seven containers of the roadmap, four exporters and Alertmanager", () => {
    expect(
      containers()
        .map((one) => one.inputs["name"])
        .sort(),
    ).toEqual([
      "im-admin",
      "im-alertmanager",
      "im-backend",
      "im-blackbox-exporter",
      "im-grafana",
      "im-minio",
      "im-mysql",
      "im-mysqld-exporter",
      "im-node-exporter",
      "im-prometheus",
      "im-redis",
      "im-redis-exporter",
    ]);
  });

  it("publishes databases on the loopback only", () => {
    for (const name of ["im-mysql", "im-redis", "im-minio"]) {
      expect(ports(container(name)).length, name).toBeGreaterThan(0);
      for (const port of ports(container(name))) expect(port.ip, name).toBe("127.0.0.1");
    }
  });

  it("publishes nothing on every address but the API and the admin page", () => {
    const open = containers().filter((one) => ports(one.inputs).some((port) => port.ip === "0.0.0.0"));
    expect(open.map((one) => one.inputs["name"]).sort()).toEqual(["im-admin", "im-backend"]);
  });

  it("gives every container a restart policy, a memory limit without swap, a rotated log and a graceful stop", () => {
    for (const { inputs } of containers()) {
      const name = String(inputs["name"]);
      expect(inputs["restart"], name).toBe("unless-stopped");
      expect(inputs["memory"], name).toBeGreaterThan(0);
      // Unequal, every later preview shows a change.
      expect(inputs["memorySwap"], name).toBe(inputs["memory"]);
      expect(inputs["logOpts"], name).toMatchObject({ "max-size": expect.any(String), "max-file": expect.any(String) });
      // The provider's default is SIGKILL at once.
      expect(inputs["destroyGraceSeconds"], name).toBeGreaterThan(0);
      expect(inputs["securityOpts"], name).toContain("no-new-privileges:true");
    }
  });

  it("never kills a database: two minutes for MySQL, one for Redis", () => {
    expect(container("im-mysql")["destroyGraceSeconds"]).toBeGreaterThanOrEqual(120);
    expect(container("im-redis")["destroyGraceSeconds"]).toBeGreaterThanOrEqual(60);
  });

  it("keeps data in host directories that no resource deletes", () => {
    for (const name of ["im-mysql", "im-redis", "im-minio"]) {
      const mounts = container(name)["mounts"] as { type: string; source: string; readOnly: boolean }[];
      const data = mounts.filter((mount) => !mount.readOnly);
      expect(
        data.map((mount) => mount.type),
        name,
      ).toEqual(["bind"]);
      expect(data[0]?.source, name).toMatch(/^\/var\/lib\/im-suite\/data\//);
    }
    for (const { name, inputs } of ofType("command:remote:Command").filter((one) =>
      /-data-directory|-password-command|secret-key-command/.test(one.name),
    )) {
      expect(inputs["delete"], name).toBeUndefined();
    }
  });

  it("is backed up: its own containers, its secrets but not the backup's key, and the programs begin after the suite", () => {
    const programs = ["im-backup", "im-binary-log-backup", "im-restore-test", "im-restore"].map((name) =>
      String(
        ofType("command:remote:Command").find(
          (one) => JSON.stringify(one.inputs["triggers"]) === JSON.stringify([`/var/lib/im-suite/bin/${name}`]),
        )?.inputs["stdin"],
      ),
    );
    for (const program of programs) {
      for (const service of ["mysql", "redis", "minio"])
        expect(program).toContain(`${service}_container=im-${service}\n`);
    }
    expect(programs[0]).toContain(
      "configuration_paths=(/etc/im-suite /var/lib/im-suite/secrets /var/lib/im-suite/backup/pulumi-state)",
    );
    expect(programs[0]).toContain("printf '%s\\n' /var/lib/im-suite/secrets/backup-key");
  });

  it("opens no port twice", () => {
    const opened = containers().flatMap((one) => ports(one.inputs).map((port) => port.external));
    expect(new Set(opened).size).toBe(opened.length);
  });
});

describe("secrets of a created suite", () => {
  it("are in no environment, label or command line", () => {
    const generated = ofType("random:index/randomPassword:RandomPassword").map(
      (one) => `generated${one.name.replaceAll("-", "")}`,
    );
    expect(generated.length).toBeGreaterThan(4);
    for (const { inputs } of containers()) {
      const visible = JSON.stringify([inputs["envs"], inputs["labels"], inputs["command"], inputs["entrypoints"]]);
      for (const secret of [...generated, "stdoutof"]) expect(visible, String(inputs["name"])).not.toContain(secret);
    }
  });

  it("reach a server only as a secret stdin", () => {
    for (const { name, inputs, secrets } of ofType("command:remote:Command")) {
      for (const field of ["create", "update", "delete"]) {
        expect(String(inputs[field] ?? ""), `${name} ${field}`).not.toMatch(/generated|stdoutof|canary/);
      }
      if (/generated|stdoutof|canary/.test(String(inputs["stdin"] ?? ""))) expect(secrets, name).toContain("stdin");
    }
  });

  it("hides the private key in every connection", () => {
    for (const { name, secrets } of ofType("command:remote:Command")) {
      expect(
        secrets.some((path) => path === "connection" || path.startsWith("connection.privateKey")),
        name,
      ).toBe(true);
    }
  });
});
