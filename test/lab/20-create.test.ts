import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { onServer } from "../../lab/servers.ts";
import { clearServer, configureCreateStack, forgetCreateState, onB } from "../support/create-stack.ts";
import { printed, pulumiOk, tail } from "../support/lab.ts";

const createStack = onB.stack;
const up = ["up", "--yes", "--skip-preview", "-s", createStack];

async function credentials(): Promise<Record<string, Record<string, string>>> {
  return JSON.parse(
    (await pulumiOk(["stack", "output", "credentials", "--show-secrets", "--json", "-s", createStack])).stdout,
  );
}

beforeAll(async () => {
  forgetCreateState(onB);
  await clearServer("b");
  await configureCreateStack(onB);
});

afterAll(async () => {
  await clearServer("b");
  forgetCreateState(onB);
});

describe("stage 1 on an empty server", () => {
  it("creates the suite: the backend answers through MySQL, Redis and MinIO", async () => {
    await pulumiOk(up);
    const answer = await fetch("http://198.18.0.12:8080/health", { signal: AbortSignal.timeout(10_000) });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("ok");
    expect((await fetch("http://198.18.0.12:3001/", { signal: AbortSignal.timeout(10_000) })).status).toBe(200);
  });

  it("lets no database listen on a public address", async () => {
    const listening = await printed("b", "ss -Hltn | awk '{print $4}'");
    for (const port of [3307, 6379, 9000, 9001, 9090]) {
      const addresses = listening.split("\n").filter((one) => one.endsWith(`:${port}`));
      expect(addresses, `port ${port}`).toEqual([`127.0.0.1:${port}`]);
    }
  });

  it("gives MySQL its configuration, durable and ready for a replica", async () => {
    const sql =
      "SELECT CONCAT_WS(' ', @@gtid_mode, @@sync_binlog, @@innodb_flush_log_at_trx_commit, @@binlog_format, @@log_bin)";
    const { mysql } = await credentials();
    const answer = await onServer(
      "b",
      `IFS= read -r MYSQL_PWD; export MYSQL_PWD; docker exec -e MYSQL_PWD im-mysql mysql -uroot -N -B -e "${sql}"`,
      { input: `${mysql?.["root"]}\n` },
    );
    expect(answer.stdout.trim()).toBe("ON 1 1 ROW 1");
  });

  it("has no changes in a second up, nor after a refresh", async () => {
    await pulumiOk([...up, "--expect-no-changes"]);
    await pulumiOk([...up, "--refresh", "--expect-no-changes"]);
  });

  it("applies a new memory limit to the running container without replacing it", async () => {
    const id = await printed("b", "docker inspect -f '{{.Id}}' im-admin");
    await configureCreateStack(onB, { memoryMiB: { admin: 160 } });
    await pulumiOk(up);
    expect(await printed("b", "docker inspect -f '{{.Id}} {{.HostConfig.Memory}}' im-admin")).toBe(
      `${id} ${160 * 1048576}`,
    );
  });

  it("refuses to plan the replacement of a database that was not asked for", async () => {
    await configureCreateStack(onB, { memoryMiB: { admin: 160 }, ports: { mysql: 3399 } });
    const result = await labPulumi(["preview", "-s", createStack]);
    expect(result.exitCode).not.toBe(0);
    expect(tail(result, 40)).toMatch(/protect/);
    await configureCreateStack(onB, { memoryMiB: { admin: 160 } });
  });

  it("stops MySQL gracefully when the operator asked for its replacement, and keeps its data", async () => {
    await configureCreateStack(onB, { memoryMiB: { admin: 160 }, allowReplace: ["mysql"] });
    await pulumiOk(up);
    await configureCreateStack(onB, { memoryMiB: { admin: 160 }, allowReplace: ["mysql"], ports: { mysql: 3399 } });
    await pulumiOk(up);
    const log = await printed("b", "docker logs im-mysql 2>&1");
    // Crash recovery in the new container's log would mean that the old one was killed.
    expect(log).not.toMatch(/Starting crash recovery|Database was not shutdown normally/);
    expect(await (await fetch("http://198.18.0.12:8080/health")).text()).toContain("ok");
    await configureCreateStack(onB, { memoryMiB: { admin: 160 } });
  });
});

describe("a lost Pulumi state", () => {
  it("finds the passwords on the server and goes on with the old data", async () => {
    const before = await credentials();
    await onServer(
      "b",
      "docker ps -aq --filter label=im-suite.stage | xargs -r docker rm -f >/dev/null; docker network rm im-suite",
      { timeoutSeconds: 180 },
    );
    forgetCreateState(onB);
    await configureCreateStack(onB);
    await pulumiOk(up);
    const after = await credentials();
    for (const [service, key] of [
      ["mysql", "root"],
      ["mysql", "application"],
      ["redis", "password"],
      ["minio", "secretKey"],
    ] as const) {
      expect(after[service]?.[key] === before[service]?.[key], `${service} ${key} changed`).toBe(true);
    }
    expect(await (await fetch("http://198.18.0.12:8080/health")).text()).toContain("ok");
  });

  it("refuses when the data is there and its root password is not", async () => {
    await onServer("b", "mv /var/lib/im-suite/secrets/mysql-root-password /root/kept");
    try {
      const result = await labPulumi(["preview", "-s", createStack]);
      expect(result.exitCode).not.toBe(0);
      expect(tail(result, 20)).toContain("New passwords would not open old data");
    } finally {
      await onServer("b", "mv /root/kept /var/lib/im-suite/secrets/mysql-root-password");
    }
  });
});

describe("destroy of a created suite", () => {
  it("is refused before anything is touched, while its data containers are protected", async () => {
    const result = await labPulumi(["destroy", "--yes", "--skip-preview", "-s", createStack]);
    expect(result.exitCode).not.toBe(0);
    expect(tail(result, 30)).toContain("Nothing was destroyed");
    expect(await (await fetch("http://198.18.0.12:8080/health")).text()).toContain("ok");
  });

  it("leaves data and create-once secrets when the operator allowed it", async () => {
    await configureCreateStack(onB, { allowReplace: ["mysql", "redis", "minio"] });
    await pulumiOk(up);
    await pulumiOk(["destroy", "--yes", "--skip-preview", "-s", createStack]);
    expect(await printed("b", "docker ps -aq --filter label=im-suite.stage")).toBe("");
    expect(
      await printed("b", "ls /var/lib/im-suite/data/mysql/ibdata1 /var/lib/im-suite/secrets/mysql-root-password"),
    ).not.toBe("");
  });
});
