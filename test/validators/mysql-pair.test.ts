import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../lib/process.ts";
import { renderMysqlOptionFile } from "../../templates/mysql-option-file.ts";
import {
  type MysqlOnServer,
  renderBootAsBefore,
  renderBootReadOnly,
  renderMysqlSettings,
  renderPairAccounts,
  renderPreparePrimary,
  renderPrepareReplica,
  renderUndoPrimary,
} from "../../templates/pair/mysql-preparation.ts";
import { text } from "../support/in-image.ts";
import { ThrowAwayContainers } from "../support/throw-away.ts";

const password = `root-'"$\`\\@#!% 密`;
const containers = new ThrowAwayContainers();
/** The scripts' own folders, moved: they run on this machine instead of a server. */
const root = mkdtempSync(join(tmpdir(), "im-suite-ha-mysql-pair-"));
const a: MysqlOnServer = { container: "im-test-mysql-a", rootOptionFile: "/etc/im-suite/root.cnf" };
const b: MysqlOnServer = { container: "im-test-mysql-b", rootOptionFile: "/etc/im-suite/root.cnf" };

const moved = (script: string) =>
  script.replaceAll("/etc/im-suite", `${root}/etc`).replaceAll("/var/lib/im-suite", `${root}/state`);
const onServer = async (script: string) => await run("bash", ["-s"], { input: moved(script), timeoutSeconds: 200 });
async function succeeds(script: string): Promise<string> {
  const result = await onServer(script);
  expect(result.exitCode, text(result)).toBe(0);
  return result.stdout;
}
async function sql({ container }: MysqlOnServer, statement: string): Promise<string> {
  const result = await run("docker", ["exec", "-i", "--env", "MYSQL_PWD", container, "mysql", "-uroot", "-N"], {
    input: statement,
    environment: { MYSQL_PWD: password },
    timeoutSeconds: 60,
  });
  expect(result.exitCode, text(result)).toBe(0);
  return result.stdout.trim();
}

beforeAll(async () => {
  mkdirSync(join(root, "etc", "credentials"), { recursive: true });
  mkdirSync(join(root, "state"));
  writeFileSync(join(root, "etc", "root.cnf"), renderMysqlOptionFile({ user: "root", password }));
  writeFileSync(join(root, "etc", "credentials", "mysql-agent-password"), "agentpassword1");
  writeFileSync(join(root, "etc", "credentials", "mysql-replication-password"), "replicationpassword1");
  const options = [
    "--cpus",
    "0.7",
    "--memory",
    "700m",
    "--env",
    `MYSQL_ROOT_PASSWORD=${password}`,
    "--env",
    "MYSQL_ROOT_HOST=localhost",
  ];
  const small = ["--innodb-buffer-pool-size=32M", "--mysqlx=OFF"];
  await containers.start("mysql", a.container, options, [
    ...small,
    ...["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF", "--sync-binlog=0", "--max-connections=123"],
  ]);
  await containers.start("mysql", b.container, options, [...small, "--server-id=2"]);
  for (const { container } of [a, b]) {
    const answers = `until docker exec ${container} mysqladmin ping --host=127.0.0.1 --protocol=tcp --silent >/dev/null 2>&1; do sleep 1; done`;
    expect((await run("timeout", ["100", "bash", "-c", answers])).exitCode, container).toBe(0);
  }
  await sql(a, "CREATE DATABASE im; CREATE TABLE im.t (id INT PRIMARY KEY); INSERT INTO im.t VALUES (1);");
}, 240_000);

afterAll(async () => {
  await containers.removeAll();
  rmSync(root, { recursive: true, force: true });
});

describe("a real MySQL", () => {
  it("is made ready online, as often as one likes, and put back as it was", async () => {
    await succeeds(renderPreparePrimary(a));
    await succeeds(renderPairAccounts(a));
    expect(
      await sql(a, "SELECT @@gtid_mode, @@enforce_gtid_consistency, @@sync_binlog, @@rpl_semi_sync_source_enabled"),
    ).toBe("ON\tON\t1\t0");
    await sql(a, "INSERT INTO im.t VALUES (2)");
    // Our own values must not be taken for the operator's.
    await succeeds(renderPreparePrimary(a));
    const settings = await succeeds(renderMysqlSettings(a));
    expect(settings).toContain("server_id=2\n");
    expect(settings).toContain("max_connections=123\n");
    expect(settings).toMatch(/^sql_mode=".*STRICT_TRANS_TABLES/m);
    await succeeds(renderBootReadOnly(a));
    expect(
      await sql(
        a,
        "SELECT COUNT(*) FROM performance_schema.persisted_variables WHERE variable_name = 'super_read_only'",
      ),
    ).toBe("1");

    await succeeds(renderBootAsBefore(a));
    await succeeds(renderUndoPrimary(a));
    expect(await sql(a, "SELECT @@gtid_mode, @@enforce_gtid_consistency, @@sync_binlog, @@super_read_only")).toBe(
      "OFF\tOFF\t0\t0",
    );
    expect(await sql(a, "SELECT COUNT(*) FROM performance_schema.persisted_variables")).toBe("0");
    expect(await sql(a, "SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'im\\_%'")).toBe("0");
    expect(
      await sql(
        a,
        "SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name LIKE 'rpl_semi_sync%' OR plugin_name = 'clone'",
      ),
    ).toBe("0");
    await sql(a, "INSERT INTO im.t VALUES (3)");
    // A second destroy finds nothing of ours.
    await succeeds(renderUndoPrimary(a));
  }, 120_000);

  it("that is empty is closed and has no transaction of its own; one that holds data is refused", async () => {
    await succeeds(renderPrepareReplica(b));
    await succeeds(renderPrepareReplica(b));
    expect(await sql(b, "SELECT @@super_read_only, @@gtid_executed = ''")).toBe("1\t1");
    expect(await sql(b, "SELECT user FROM mysql.user WHERE user LIKE 'im\\_%'")).toBe("im_agent");
    const refused = await onServer(renderPrepareReplica(a));
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain("MySQL on this server is not empty (1 tables)");
  }, 120_000);
});
