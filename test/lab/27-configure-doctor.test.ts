import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { fingerprint } from "../../commands/configure/server-checks.ts";
import { labNetwork, labServers } from "../../lab/addresses.ts";
import { readImages } from "../../lab/images.ts";
import { labPrivateKeyFile, pinnedHostKey } from "../../lab/keys.ts";
import { onServer } from "../../lab/servers.ts";
import { cacheDirectory, repositoryRoot } from "../../lib/paths.ts";
import { type RunResult, run } from "../../lib/process.ts";
import { clearServer } from "../support/create-stack.ts";
import { printed, tail } from "../support/lab.ts";
import { type Sink, smtpSink } from "../support/message-sinks.ts";

/**
 * The way of an operator with a login of their own (files and a passphrase): configure, pulumi up, doctor, and what doctor tells
 * them to type. On server C, created from nothing.
 */
const stack = "operator-on-c";
const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-operator-"));
const configurationFile = join(folder, `Pulumi.${stack}.yaml`);
const environment = {
  PULUMI_BACKEND_URL: `file://${folder}`,
  PULUMI_CONFIG_PASSPHRASE: "a passphrase of the operator's",
  PULUMI_HOME: cacheDirectory("lab", "pulumi-home"),
};
const address = labServers.c.address;
let mailServer: Sink;

async function command(name: "configure" | "doctor", args: readonly string[]): Promise<RunResult> {
  const program = join(repositoryRoot, "commands", `${name}.ts`);
  return await run(process.execPath, [program, "-s", stack, "--config-file", configurationFile, ...args], {
    environment,
    timeoutSeconds: 300,
  });
}

/** Plain `pulumi`, as the printed environment gives it to the operator. */
async function pulumi(commandLine: string): Promise<RunResult> {
  const printedEnvironment = 'eval "$(node engine/pulumi.ts --print-environment)"';
  return await run("bash", ["-c", `${printedEnvironment}\n${commandLine}`], {
    cwd: repositoryRoot,
    environment,
    timeoutSeconds: 900,
  });
}

async function pulumiDone(commandLine: string): Promise<RunResult> {
  const result = await pulumi(commandLine);
  expect(result.exitCode, `${commandLine}\n${tail(result, 30)}`).toBe(0);
  return result;
}

interface DoctorRow {
  readonly what: string;
  readonly verdict: string;
}

async function problems(): Promise<string[]> {
  const result = await command("doctor", ["--json"]);
  const { servers } = JSON.parse(result.stdout) as { servers: Record<string, DoctorRow[]> };
  return Object.values(servers)
    .flat()
    .filter(({ verdict }) => verdict === "drift" || verdict === "refuse" || verdict === "unhealthy")
    .map(({ what }) => what);
}

/** An answers file, as an operator without a terminal writes it. */
async function configure(answers: Readonly<Record<string, unknown>>): Promise<RunResult> {
  const file = join(folder, "answers.json");
  writeFileSync(file, JSON.stringify(answers), { mode: 0o600 });
  chmodSync(file, 0o600);
  return await command("configure", ["--answers", file]);
}

const image = (key: "backend" | "admin") => {
  const found = readImages()[key];
  return found !== undefined && "reference" in found ? found.reference : "";
};

beforeAll(async () => {
  await clearServer("c");
  await onServer("c", "mkdir -p /srv/off-site");
  mailServer = await smtpSink(labNetwork.gateway);
  // The lab's images: nobody asks about them, so configure leaves them as they are.
  const images = Object.fromEntries(
    Object.entries(readImages()).flatMap(([key, one]) => ("reference" in one ? [[key, one.reference]] : [])),
  );
  writeFileSync(
    configurationFile,
    stringify({ config: { "im:images": images, "im:suite": { mode: "create", without: ["grafana"] } } }),
  );
});

afterAll(async () => {
  await mailServer?.close();
  await clearServer("c");
  await onServer("c", "rm -rf /srv/off-site");
  rmSync(folder, { recursive: true, force: true });
});

describe("configure", () => {
  const answers = () => ({
    "servers.a.address": address,
    "servers.a.hostKey": fingerprint(pinnedHostKey("c")),
    "servers.a.privateKeyFile": labPrivateKeyFile,
    "suite.mode": "create",
    "images.backend": image("backend"),
    "images.admin": image("admin"),
    "alerts.receivers": "mail, wecom",
    "alerts.mail.smarthost": `${labNetwork.gateway}:${mailServer.port}`,
    "alerts.mail.from": "im@example.com",
    "alerts.mail.to": "duty@example.com",
    "alertCredentials.wecomRobotUrl": "http://198.18.0.1/canary-robot",
    "backup.time": "01:30",
    "backup.offSite.type": "sftp",
    "backup.offSite.name": "second",
    "backup.offSite.host": address,
    "backup.offSite.hostKey": fingerprint(pinnedHostKey("c")),
    "backup.offSite.user": "root",
    "backup.offSite.path": "/srv/off-site",
    "backupCredentials.second.privateKeyFile": labPrivateKeyFile,
  });

  it("refuses a mail server that the server does not reach, and writes nothing", async () => {
    const before = readFileSync(configurationFile, "utf8");
    const result = await configure({ ...answers(), "alerts.mail.smarthost": `${labNetwork.gateway}:9` });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(`${address} does not reach ${labNetwork.gateway}:9`);
    expect(readFileSync(configurationFile, "utf8")).toBe(before);
  });

  it("refuses a folder that is not on the other server", async () => {
    const result = await configure({ ...answers(), "backup.offSite.path": "/srv/nowhere" });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("/srv/nowhere is not there: make it on");
  });

  it("refuses a host key that the server does not show", async () => {
    const result = await configure({ ...answers(), "servers.a.hostKey": "SHA256:somebodyelse" });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("somebody may be in between");
  });

  it("writes what was answered, secrets encrypted", async () => {
    const result = await configure(answers());
    expect(result.exitCode, result.stderr).toBe(0);
    const text = readFileSync(configurationFile, "utf8");
    expect(text).not.toMatch(/canary-robot|PRIVATE KEY/);
    const { config } = parse(text);
    expect(config["im:backup"]).toMatchObject({ enabled: true, time: "01:30", offSite: [{ name: "second" }] });
    expect(config["im:alertCredentials"].wecomRobotUrl).toHaveProperty("secure");
    expect(config["im:backupCredentials"].second.privateKey).toHaveProperty("secure");
    // The private key came through its encryption whole, line breaks too.
    const shown = await pulumiDone(
      `pulumi config get --path im:backupCredentials.second.privateKey -s ${stack} --config-file ${configurationFile}`,
    );
    expect(shown.stdout.trim()).toBe(readFileSync(labPrivateKeyFile, "utf8").trim());
  });

  it("changes not a byte when it is asked again and Enter is the only answer", async () => {
    const before = readFileSync(configurationFile, "utf8");
    const result = await configure({});
    expect(result.exitCode, result.stderr).toBe(0);
    expect(readFileSync(configurationFile, "utf8")).toBe(before);
  });
});

describe("doctor", () => {
  it("finds nothing to say after the up of what configure wrote", async () => {
    await pulumiDone(`pulumi up --yes --skip-preview --non-interactive -s ${stack} --config-file ${configurationFile}`);
    await onServer("c", "systemctl start im-health-check.service", { timeoutSeconds: 120 });
    expect(await problems()).toEqual([]);
  });

  it("finds a dropped account, a changed file and a timer that was switched off, and what it prints mends them", async () => {
    const drop = "SET sql_log_bin = 0; DROP USER im_health@localhost, im_exporter@'%';";
    await onServer(
      "c",
      `docker exec -i im-mysql sh -c 'cat >/dev/shm/drop.cnf' </etc/im-suite/credentials/mysql-root.cnf
docker exec -i im-mysql mysql --defaults-extra-file=/dev/shm/drop.cnf; docker exec im-mysql rm /dev/shm/drop.cnf
echo '# by hand' >>/etc/im-suite/blackbox-exporter/blackbox.yml
systemctl disable --now im-health-check.timer`,
      { input: drop },
    );
    const found = (await problems()).join("\n");
    for (const part of ["im_health@localhost", "im_exporter@%", "blackbox.yml", "im-health-check.timer"]) {
      expect(found).toContain(part);
    }

    const report = await command("doctor", []);
    expect(report.exitCode).toBe(1);
    const [, told = ""] = report.stdout.split("To put back what drifted:\n");
    const commands = told
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    expect(commands.length, report.stdout).toBeGreaterThanOrEqual(2);
    for (const line of commands) {
      if (line.startsWith("ssh ")) {
        // ssh root@ADDRESS COMMAND: the test has its own way onto the server.
        await onServer("c", line.split(" ").slice(2).join(" "));
        continue;
      }
      await pulumiDone(`${line} --config-file ${configurationFile} --yes --skip-preview --non-interactive`);
    }
    await onServer("c", "systemctl start im-health-check.service", { timeoutSeconds: 120 });
    expect(await problems()).toEqual([]);
    // The accounts' new passwords are those that their users have.
    expect(await printed("c", "curl -fsS http://127.0.0.1:9104/metrics | grep '^mysql_up '")).toBe("mysql_up 1");
    expect(await printed("c", "tail -n 12 /var/log/health-check.log | grep MySQL")).toContain("正常");
  });
});
