import { beforeAll, describe, expect, it } from "vitest";
import type { StackOutputs } from "../../stacks/stage1-outputs.ts";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];
let outputs: StackOutputs;
const commands = () => all.filter((one) => one.type === "command:remote:Command");
const command = (name: string) => {
  const found = commands().find((one) => one.name === name);
  if (found === undefined) throw new Error(`no command ${name}`);
  return found.inputs;
};
const rotation = { mysql: 2, redis: 3, minio: 4, grafana: 5, backupKey: 6, monitoring: 7 };

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  outputs = stage1(testConfiguration({ mode: "create" }, { rotation }));
  await settled();
});

describe("a raised counter", () => {
  it("reaches the secret that it names, and no other", () => {
    const drawn = {
      "a-suite-mysql-root-password-command": 2,
      "a-suite-mysql-application-password-command": 2,
      "a-suite-redis-password-command": 3,
      "a-suite-minio-secret-key-command": 4,
      "a-suite-minio-application-secret-key-command": 4,
      "a-suite-grafana-password-command": 5,
      "a-backup-key-command": 6,
    };
    for (const [name, generation] of Object.entries(drawn)) {
      expect(String(command(name)["create"]), name).toContain(` generation=${generation}\n`);
    }
  });

  it("makes the passwords of the monitoring accounts anew", () => {
    const passwords = all.filter(({ name }) => /^a-mysql-monitoring-(exporter|health)-password$/.test(name));
    expect(passwords.map(({ inputs }) => inputs["keepers"])).toEqual([{ generation: "7" }, { generation: "7" }]);
    const minio = all.find(({ name }) => name === "a-minio-metrics-key");
    expect(minio?.inputs["keepers"]).toEqual({ generation: "7" });
    // Prometheus holds on to a token: under another name it reads the new one.
    const file = command("a-minio-metrics-token-file-command")["triggers"];
    expect(file).toEqual(["/etc/im-suite/prometheus/secrets/minio-token-7"]);
    const config = String(command("a-suite-prometheus-configuration-command")["stdin"]);
    expect(config).toContain("credentials_file: /etc/prometheus/secrets/minio-token-7\n");
  });

  it("has an end for every one of them, which no destroy undoes", () => {
    for (const kind of Object.keys(rotation)) {
      const end = command(`a-rotation-end-${kind}-command`);
      expect(end["delete"], kind).toBeUndefined();
      expect(end["stdin"], kind).toBeUndefined();
    }
  });

  it("becomes an output", async () => {
    const generations = await Promise.all(
      Object.entries(outputs.rotation).map(
        ([kind, output]) => new Promise((resolve) => output.apply((value) => resolve([kind, value]))),
      ),
    );
    expect(Object.fromEntries(generations as [string, number][])).toEqual(rotation);
  });
});

describe("containers", () => {
  const container = (name: string) => {
    const found = all.find(
      ({ type, inputs }) => type === "docker:index/container:Container" && inputs["name"] === name,
    );
    if (found === undefined) throw new Error(`no container ${name}`);
    return found.inputs;
  };

  it("the backend has a MinIO user of its own, of this generation, and not root", () => {
    expect(container("im-backend")["envs"]).toContain("MINIO_ACCESS_KEY=im-app-4");
  });

  it("of the databases hold no password in what would replace them", () => {
    // The mounted files with passwords are read by scripts or at a restart; in the hash they would replace a protected container.
    for (const name of ["im-mysql", "im-redis", "im-minio", "im-grafana"]) {
      const { labels, envs, command: words } = container(name);
      expect(JSON.stringify([labels, envs, words]), name).not.toMatch(/stdoutof|generated/);
    }
    const redis = commands().find(
      ({ inputs }) => JSON.stringify(inputs["triggers"]) === '["/etc/im-suite/redis/redis.conf"]',
    );
    expect(String(redis?.inputs["stdin"])).toMatch(/\ninclude \/usr\/local\/etc\/redis\/password\.conf\n/);
    expect(redis?.secrets).not.toContain("stdin");
  });
});
