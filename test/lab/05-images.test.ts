import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ImageKey } from "../../config/images.ts";
import { labLabel } from "../../lab/addresses.ts";
import { docker, dockerQuery } from "../../lab/docker.ts";
import { ensureImages, type LabImages, parseLabReference, requireImage } from "../../lab/images.ts";
import { ensureRegistry } from "../../lab/registry.ts";
import { run } from "../../lib/process.ts";
import { renderMysqlOptionFile } from "../../templates/mysql-option-file.ts";
import { eventually } from "../support/lab.ts";

/**
 * The contract that the suite and the stacks rely on, whichever image serves it: the official one or ours. The containers
 * run on this machine's engine, without the lab's network and without a published port.
 */

/** Every character that has broken a shell, an option file, a URL or a literal of SQL before. */
const awkward = `pa'ss "w\\ord$HOME \`id\` !@#%^&*(){};:<>?/|~= ü密码\\'`;

let images: LabImages;
let pushAddress: string;
let directory: string;
const pulled = new Set<string>();
const prefix = "im-lab-test-";

beforeAll(async () => {
  images = await ensureImages();
  pushAddress = await ensureRegistry();
});

afterEach(async () => {
  const left = await dockerQuery([
    "ps",
    "--all",
    "--quiet",
    "--filter",
    `name=^${prefix}`,
    "--filter",
    `label=${labLabel}`,
  ]);
  const ids = (left ?? "").split("\n").filter(Boolean);
  if (ids.length > 0) await docker(["rm", "--force", "--volumes", ...ids]);
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

afterAll(async () => {
  if (pulled.size > 0) await run("docker", ["image", "rm", ...pulled]);
});

/** The image as the lab's registry gives it out, pulled through the registry's port on this machine. */
async function pull(key: ImageKey): Promise<string> {
  const parsed = parseLabReference(requireImage(images, key));
  const reference = `${pushAddress}/${parsed?.repository}@${parsed?.digest}`;
  await docker(["pull", "--quiet", reference]);
  pulled.add(reference);
  return reference;
}

async function start(name: string, key: ImageKey, options: readonly string[], command: readonly string[] = []) {
  const image = await pull(key);
  await docker(["run", "--detach", "--name", prefix + name, "--label", labLabel, ...options, image, ...command]);
}

async function inside(name: string, command: readonly string[], input = "") {
  return await run("docker", ["exec", "--interactive", prefix + name, ...command], { input, timeoutSeconds: 60 });
}

async function printedInside(name: string, ...command: string[]): Promise<string> {
  const result = await inside(name, command);
  expect(result.exitCode, result.stderr).toBe(0);
  return result.stdout.trim();
}

/** HTTP from inside the container's own network: no port of this machine is used. */
async function http(name: string, url: string): Promise<string> {
  const client = await run("docker", [
    ...["run", "--rm", "--label", labLabel, "--network", `container:${prefix}${name}`, "--entrypoint", "curl"],
    ...[await pull("backend"), "--silent", "--show-error", "--fail", "--max-time", "5", url],
  ]);
  expect(client.exitCode, `${url}: ${client.stderr}`).toBe(0);
  return client.stdout;
}

async function logOf(name: string): Promise<string> {
  const result = await run("docker", ["logs", prefix + name]);
  return result.stdout + result.stderr;
}

function workDirectory(files: Record<string, string | Buffer>, mode = 0o644): string {
  directory = mkdtempSync(join(tmpdir(), "im-lab-images-"));
  chmodSync(directory, 0o755);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(directory, name, ".."), { recursive: true });
    writeFileSync(join(directory, name), content);
    chmodSync(join(directory, name), mode);
  }
  return directory;
}

/** SQL with credentials on stdin, over TCP: the way of a client, not of the socket's owner. */
async function sql(name: string, user: string, password: string, text: string) {
  const program = `cat > /dev/shm/options; exec mysql --defaults-file=/dev/shm/options --protocol=tcp -h 127.0.0.1 --default-character-set=utf8mb4 -N -B -e ${JSON.stringify(text).replaceAll("`", "\\`")}`;
  return await inside(name, ["sh", "-c", program], renderMysqlOptionFile({ user, password }));
}

describe("mysql", () => {
  it("sets up an empty data directory as the official image does, with awkward passwords from files", async () => {
    const secrets = workDirectory({ "root-password": `${awkward}\n`, "user-password": `${awkward}2` }, 0o400);
    const initdb = join(secrets, "initdb");
    mkdirSync(initdb);
    writeFileSync(
      join(initdb, "1.sql"),
      "CREATE TABLE seen (what VARCHAR(20) CHARACTER SET utf8mb4); INSERT INTO seen VALUES ('sql ü密');",
    );
    writeFileSync(join(initdb, "2.sql.gz"), gzipSync("INSERT INTO seen VALUES ('gz');"));
    writeFileSync(
      join(initdb, "3.sh"),
      `MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql -uroot "$MYSQL_DATABASE" -e "INSERT INTO seen VALUES ('sh')"\n`,
    );
    writeFileSync(join(initdb, "4.txt"), "not for mysql");
    await start(
      "mysql",
      "mysql",
      [
        ...["-v", `${secrets}:/run/secrets:ro`, "-v", `${initdb}:/docker-entrypoint-initdb.d:ro`],
        ...["-e", "MYSQL_ROOT_PASSWORD_FILE=/run/secrets/root-password", "-e", "MYSQL_DATABASE=im_suite"],
        ...["-e", "MYSQL_USER=im'app", "-e", "MYSQL_PASSWORD_FILE=/run/secrets/user-password"],
      ],
      ["--server-id=7", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"],
    );
    await eventually(120, async () => {
      expect((await sql("mysql", "root", awkward, "SELECT @@server_id")).stdout.trim()).toBe("7");
    });
    expect((await sql("mysql", "root", awkward, "SELECT what FROM im_suite.seen ORDER BY what")).stdout).toBe(
      "gz\nsh\nsql ü密\n",
    );
    expect((await sql("mysql", "im'app", `${awkward}2`, "SELECT COUNT(*) FROM im_suite.seen")).stdout).toBe("3\n");
    expect((await sql("mysql", "im'app", awkward, "SELECT 1")).exitCode).not.toBe(0);
    expect((await sql("mysql", "root", "", "SELECT 1")).exitCode).not.toBe(0);
    expect((await sql("mysql", "im'app", `${awkward}2`, "CREATE DATABASE other")).stderr).toMatch(/denied/);
    // An account of im_suite must not reach imXsuite: the underscore is a wildcard in a grant.
    expect((await sql("mysql", "im'app", `${awkward}2`, "CREATE DATABASE imXsuite")).stderr).toMatch(/denied/);
    const hosts = "SELECT GROUP_CONCAT(host ORDER BY host) FROM mysql.user WHERE user='root'";
    expect((await sql("mysql", "root", awkward, hosts)).stdout.trim()).toBe("%,localhost");
    expect(
      (
        await sql("mysql", "root", awkward, "SELECT CONVERT_TZ('2026-07-01 12:00:00','UTC','Asia/Shanghai')")
      ).stdout.trim(),
    ).toBe("2026-07-01 20:00:00");
    const plugins = [
      "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
      "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'",
      "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
    ];
    const installed = await sql("mysql", "root", awkward, plugins.join(";"));
    expect(installed.stderr).toBe("");

    expect(await printedInside("mysql", "stat", "-c", "%u %n", "/var/lib/mysql", "/var/run/mysqld/mysqld.sock")).toBe(
      "999 /var/lib/mysql\n999 /var/run/mysqld/mysqld.sock",
    );
    // One process, which is mysqld itself: it must get Docker's signal and stop cleanly.
    expect(await printedInside("mysql", "cat", "/proc/1/comm")).toBe("mysqld");
    expect(await printedInside("mysql", "stat", "-c", "%u", "/proc/1")).toBe("999");
    for (const client of ["mysqldump", "mysqladmin", "mysqlbinlog"]) {
      expect(await printedInside("mysql", client, "--version")).toMatch(/\d+\.\d+\.\d+/);
    }
    // No password where everybody on the server can read it.
    const inspected = (await dockerQuery(["inspect", `${prefix}mysql`])) ?? "";
    expect(inspected).not.toContain(JSON.stringify(awkward).slice(1, -1));
    expect(await logOf("mysql")).not.toContain(awkward);
    expect((await inside("mysql", ["cat", "/proc/1/environ"])).stdout).not.toContain(awkward);

    // A second start finds the data and needs no variable.
    await docker(["restart", "-t", "60", `${prefix}mysql`]);
    await eventually(60, async () => {
      expect((await sql("mysql", "root", awkward, "SELECT COUNT(*) FROM im_suite.seen")).stdout.trim()).toBe("3");
    });
    expect((await logOf("mysql")).match(/making the system tables|Initializing database files/g)).toHaveLength(1);
  });

  it("keeps root on localhost when MYSQL_ROOT_HOST says so, and reads /etc/mysql/conf.d", async () => {
    const files = workDirectory({ "own.cnf": "[mysqld]\nmax_connections = 77\n" });
    await start("mysql", "mysql", [
      ...["-v", `${files}/own.cnf:/etc/mysql/conf.d/own.cnf:ro`],
      ...[
        "-e",
        "MYSQL_ROOT_HOST=localhost",
        "-e",
        `MYSQL_ROOT_PASSWORD=${awkward}`,
        "-e",
        "MYSQL_INITDB_SKIP_TZINFO=1",
      ],
    ]);
    const local = async (text: string) =>
      await inside(
        "mysql",
        ["sh", "-c", `cat > /dev/shm/o; mysql --defaults-extra-file=/dev/shm/o -N -B -e "${text}"`],
        renderMysqlOptionFile({ user: "root", password: awkward }),
      );
    await eventually(120, async () => {
      const answer = await local("SELECT @@max_connections, @@port, @@skip_networking");
      expect(answer.stdout.trim()).toBe("77\t3306\t0");
    });
    expect((await local("SELECT GROUP_CONCAT(host) FROM mysql.user WHERE user='root'")).stdout.trim()).toBe(
      "localhost",
    );
  });

  it.each<[string, string[], RegExp]>([
    ["no root password", [], /MYSQL_ROOT_PASSWORD/],
    [
      "a value and a file for it",
      ["MYSQL_ROOT_PASSWORD=x", "MYSQL_ROOT_PASSWORD_FILE=/etc/hostname"],
      /both MYSQL_ROOT_PASSWORD/i,
    ],
    ["an option that mysqld does not know", ["MYSQL_ROOT_PASSWORD=x"], /no-such-option/],
  ])("refuses %s", async (what, variables, expected) => {
    const options = variables.flatMap((variable) => ["-e", variable]);
    await start("mysql", "mysql", options, what.startsWith("an option") ? ["--no-such-option=1"] : []);
    await docker(["wait", `${prefix}mysql`], { timeoutSeconds: 60 });
    expect(await dockerQuery(["inspect", "--format", "{{.State.ExitCode}}", `${prefix}mysql`])).not.toBe("0");
    expect(await logOf("mysql")).toMatch(expected);
  });
});

describe("redis", () => {
  it("runs as redis on /data, and keeps data over a restart", async () => {
    await start("redis", "redis", [], ["--appendonly", "yes"]);
    await eventually(20, async () => expect(await printedInside("redis", "redis-cli", "ping")).toBe("PONG"));
    expect(await printedInside("redis", "redis-cli", "config", "get", "dir")).toBe("dir\n/data");
    // Other containers may connect without a password, as with the official image.
    expect(await printedInside("redis", "redis-cli", "config", "get", "protected-mode")).toBe("protected-mode\nno");
    expect(await printedInside("redis", "stat", "-c", "%u", "/proc/1", "/data/appendonlydir")).toBe("999\n999");
    expect(await printedInside("redis", "cat", "/proc/1/comm")).toBe("redis-server");
    await printedInside("redis", "redis-cli", "set", "key", "value");
    await docker(["restart", `${prefix}redis`]);
    await eventually(20, async () => expect(await printedInside("redis", "redis-cli", "get", "key")).toBe("value"));
  });

  it("takes a configuration file alone as its command, with an awkward password", async () => {
    const quoted = `"${awkward.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    const files = workDirectory({ "redis.conf": `requirepass ${quoted}\nprotected-mode yes\n` });
    await start("redis", "redis", ["-v", `${files}/redis.conf:/etc/redis.conf:ro`], ["/etc/redis.conf"]);
    await eventually(20, async () => {
      const answer = await inside(
        "redis",
        ["sh", "-c", "IFS= read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli config get protected-mode"],
        `${awkward}\n`,
      );
      expect(answer.stdout.trim()).toBe("protected-mode\nyes");
    });
    expect(await printedInside("redis", "redis-cli", "ping")).toMatch(/NOAUTH/);
  });
});

describe("minio", () => {
  it("is live, with its root user from files, and refuses a wrong password", async () => {
    const secrets = workDirectory({ user: "im-root", password: awkward }, 0o400);
    await start(
      "minio",
      "minio",
      [
        ...["-v", `${secrets}:/run/im-suite:ro`, "-e", "MINIO_ROOT_USER_FILE=/run/im-suite/user"],
        ...["-e", "MINIO_ROOT_PASSWORD_FILE=/run/im-suite/password"],
      ],
      ["server", "/data", "--console-address", ":9001"],
    );
    await eventually(30, async () => {
      await http("minio", "http://127.0.0.1:9000/minio/health/live");
    });
    const alias = async (password: string) =>
      await inside(
        "minio",
        ["sh", "-c", "mc alias set own http://127.0.0.1:9000 && mc mb --ignore-existing own/bucket"],
        `im-root\n${password}\n`,
      );
    expect((await alias("wrong-password")).exitCode).not.toBe(0);
    const right = await alias(awkward);
    expect(right.exitCode, right.stderr).toBe(0);
    expect(await printedInside("minio", "ls", "/data")).toBe("bucket");
  });
});

describe("metrics", () => {
  it("prometheus is ready with its own configuration, as nobody, with promtool", async () => {
    await start("prometheus", "prometheus", []);
    await eventually(30, async () => {
      await http("prometheus", "http://127.0.0.1:9090/-/ready");
    });
    expect(await printedInside("prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml")).toMatch(
      /SUCCESS/,
    );
    expect(await printedInside("prometheus", "stat", "-c", "%u", "/proc/1", "/prometheus/wal")).toBe("65534\n65534");
  });

  it("alertmanager is ready with its own configuration, as nobody, with amtool", async () => {
    await start("alertmanager", "alertmanager", []);
    await eventually(30, async () => {
      await http("alertmanager", "http://127.0.0.1:9093/-/ready");
    });
    expect(await printedInside("alertmanager", "amtool", "check-config", "/etc/alertmanager/alertmanager.yml")).toMatch(
      /SUCCESS/,
    );
    expect(await printedInside("alertmanager", "stat", "-c", "%u", "/proc/1")).toBe("65534");
  });

  it.each<[ImageKey, number, string, string[]]>([
    ["nodeExporter", 9100, "node_uname_info", []],
    ["mysqldExporter", 9104, "mysql_up 0", ["--mysqld.address=127.0.0.1:3306", "--mysqld.username=nobody"]],
    ["redisExporter", 9121, "redis_up 0", []],
    ["blackboxExporter", 9115, "blackbox_exporter_build_info", []],
  ])("%s answers on port %i", async (key, port, expected, command) => {
    await start("exporter", key, [], command);
    await eventually(30, async () => {
      expect(await http("exporter", `http://127.0.0.1:${port}/metrics`)).toContain(expected);
    });
  });
});

describe("what cannot be had", () => {
  it("is named with a reason, and nothing is left out silently", () => {
    for (const [key, image] of Object.entries(images)) {
      if ("reference" in image) expect(parseLabReference(image.reference), key).toBeDefined();
      else expect(image.unavailable, key).toMatch(/\w+ .*\.$/);
    }
    expect(Object.keys(images)).toHaveLength(12);
  });
});
