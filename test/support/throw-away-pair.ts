import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import {
  type AgentConfiguration,
  type AgentConfigurationFile,
  readAgentConfiguration,
} from "../../agent/configuration.ts";
import { HttpClient } from "../../agent/edges/http-client.ts";
import type { Status } from "../../agent/http/status.ts";
import { failoverAccounts, failoverPrivileges } from "../../config/failover.ts";
import { repositoryRoot } from "../../lib/paths.ts";
import { run, runChecked } from "../../lib/process.ts";
import { freePort, ThrowAwayContainers } from "./throw-away.ts";

/**
 * Two real mysqld and Redis in containers of a network of their own, a real etcd, and two real controllers as processes: what a unit test of
 * an edge with a fake cannot show.
 */

export type PairServer = "a" | "b";
const network = "im-test-failover";
const subnet = "198.19.77";
const hostNumber = { a: 11, b: 12 } as const;
export const applicationPassword = "app-password-1";
const rootPassword = "root-password-1";
const agentPassword = "agent-password-1";
const replicationPassword = "replication-password-1";
const redisPassword = "redis-password-1";
const etcdPassword = "etcd-password-1";

const prefix = "/im-suite/";

interface OneServer {
  readonly name: PairServer;
  readonly configurationFile: string;
  readonly runtime: string;
  readonly log: string;
  controller: ChildProcess | undefined;
}

export interface PairOptions {
  readonly cpus?: string;
  readonly witness?: AgentConfigurationFile["votes"];
  /** Size of each MySQL's disk, in memory: one that can be filled without harm to the machine. */
  readonly dataMiB?: number;
  readonly configure?: (file: AgentConfigurationFile, server: PairServer) => AgentConfigurationFile;
  /** The controller's program; default: the sources. */
  readonly program?: readonly string[];
}

export class ThrowAwayPair {
  readonly folder = mkdtempSync(join(tmpdir(), "im-suite-ha-pair-"));
  readonly #containers = new ThrowAwayContainers();
  readonly #options: PairOptions;
  readonly #servers: Record<PairServer, OneServer>;
  #etcd: ChildProcess | undefined;
  #etcdUrl = "";
  #ports: Record<PairServer, number> = { a: 0, b: 0 };

  constructor(options: PairOptions = {}) {
    this.#options = options;
    const server = (name: PairServer): OneServer => ({
      name,
      configurationFile: this.#path(name, "agent.json"),
      runtime: this.#path(name, "run"),
      log: this.#path(name, "events.log"),
      controller: undefined,
    });
    this.#servers = { a: server("a"), b: server("b") };
  }

  #path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  container(server: PairServer, service: "mysql" | "redis" = "mysql"): string {
    return `im-test-failover-${service}-${server}`;
  }

  address(server: PairServer, service: "mysql" | "redis" = "mysql"): string {
    return `${subnet}.${hostNumber[server] + (service === "redis" ? 10 : 0)}`;
  }

  async start(): Promise<void> {
    for (const name of ["a", "b"]) mkdirSync(this.#path(name, "run"), { recursive: true });
    await this.#makeCertificates();
    // What a run that was ended left behind.
    const names = (["a", "b"] as const).flatMap((name) => [
      ...[this.container(name), this.container(name, "redis"), this.#holder(name)],
    ]);
    await run("docker", ["rm", "--force", "--volumes", ...names]);
    await run("docker", ["network", "rm", network]);
    await runChecked("docker", ["network", "create", "--subnet", `${subnet}.0/24`, network]);
    await Promise.all([
      this.#startEtcd(),
      ...(["a", "b"] as const).flatMap((name) => [this.#startMysql(name), this.#startRedis(name)]),
    ]);
    for (const name of ["a", "b"] as const) await this.#configure(name);
  }

  async #makeCertificates(): Promise<void> {
    const openssl = (...args: string[]) => runChecked("openssl", args, { cwd: this.folder });
    await openssl(
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj".split(" "),
      "/O=test CA",
      ..."-keyout ca.key -out ca.crt".split(" "),
    );
    writeFileSync(
      this.#path("names"),
      "subjectAltName=IP:127.0.0.1,IP:127.0.0.11,IP:127.0.0.12\nextendedKeyUsage=serverAuth,clientAuth\n",
    );
    // No common name: etcd's gateway would take it for a user.
    await openssl(
      ..."req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout server.key -out server.csr".split(" "),
    );
    await openssl(
      ..."x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt".split(
        " ",
      ),
    );
  }

  async #startEtcd(): Promise<void> {
    if (this.#options.witness?.witness === "none") return;
    const [client, peer] = [await freePort(), await freePort()];
    this.#etcdUrl = `https://127.0.0.1:${client}`;
    this.#etcd = spawn(
      await findEtcd(),
      [
        ...["--name", "one", "--data-dir", this.#path("etcd"), "--logger", "zap", "--log-level", "error"],
        ...["--heartbeat-interval", "100", "--election-timeout", "1000"],
        ...["--listen-client-urls", this.#etcdUrl, "--advertise-client-urls", this.#etcdUrl],
        ...[
          "--listen-peer-urls",
          `http://127.0.0.1:${peer}`,
          "--initial-advertise-peer-urls",
          `http://127.0.0.1:${peer}`,
        ],
        ...["--initial-cluster", `one=http://127.0.0.1:${peer}`],
        ...["--cert-file", this.#path("server.crt"), "--key-file", this.#path("server.key")],
        ...["--trusted-ca-file", this.#path("ca.crt"), "--client-cert-auth"],
      ],
      { stdio: ["ignore", "ignore", openSync(this.#path("etcd.log"), "a")] },
    );
    const http = HttpClient.url(this.#etcdUrl, this.tls);
    const ask = async (path: string, body: object) => {
      const { status, text } = await http.ask(`/v3/${path}`, { method: "POST", body, timeout: 5000 });
      if (status !== 200) throw new Error(`${path}: ${text}`);
    };
    await soon(20, () => ask("maintenance/status", {}));
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    await ask("auth/user/add", { name: "root", password: "root-of-etcd" });
    await ask("auth/user/grant", { user: "root", role: "root" });
    await ask("auth/role/add", { name: "agent" });
    await ask("auth/role/grant", {
      name: "agent",
      perm: { permType: "READWRITE", key: base64(prefix), range_end: base64("/im-suite0") },
    });
    await ask("auth/user/add", { name: failoverAccounts.etcd, password: etcdPassword });
    await ask("auth/user/grant", { user: failoverAccounts.etcd, role: "agent" });
    await ask("auth/enable", {});
  }

  get tls() {
    const read = (name: string) => readFileSync(this.#path(name));
    return { ca: read("ca.crt"), cert: read("server.crt"), key: read("server.key") };
  }

  #volume(name: PairServer): string {
    return `im-test-failover-data-${name}`;
  }

  #holder(name: PairServer): string {
    return `${this.container(name)}-disk`;
  }

  /** A disk of its own. Its content lives as long as a container uses it: one that does nothing else does. */
  async #makeDisk(name: PairServer): Promise<readonly string[]> {
    const { dataMiB } = this.#options;
    if (dataMiB === undefined) return [];
    const volume = this.#volume(name);
    await run("docker", ["rm", "--force", this.#holder(name), this.container(name)]);
    await run("docker", ["volume", "rm", volume]);
    await runChecked("docker", [
      ...["volume", "create", "--driver", "local", "--opt", "type=tmpfs", "--opt", "device=tmpfs"],
      ...["--opt", `o=size=${dataMiB}m,uid=999,gid=999,mode=0750`, volume],
    ]);
    const options = ["--network", "none", "--volume", `${volume}:/disk`, "--entrypoint", "sleep"];
    await this.#containers.start("redis", this.#holder(name), options, ["3600"]);
    return ["--volume", `${volume}:/var/lib/mysql`];
  }

  /** Writes until nothing more fits, or makes room again. */
  async fillDisk(server: PairServer, isFull: boolean): Promise<void> {
    const text = isFull ? "dd if=/dev/zero of=/disk/filler bs=4k 2>/dev/null; sync" : "rm -f /disk/filler";
    await runChecked("docker", ["exec", "--user", "0", this.#holder(server), "sh", "-c", text]);
  }

  async #startMysql(name: PairServer): Promise<void> {
    const container = this.container(name);
    const disk = await this.#makeDisk(name);
    await this.#containers.start(
      "mysql",
      container,
      [
        ...["--network", network, "--ip", this.address(name), "--hostname", container, "--restart", "unless-stopped"],
        ...disk,
        ...(this.#options.cpus === undefined ? [] : ["--cpus", this.#options.cpus]),
        ...["--env", `MYSQL_ROOT_PASSWORD=${rootPassword}`, "--env", "MYSQL_DATABASE=im", "--env", "MYSQL_USER=app"],
        ...["--env", `MYSQL_PASSWORD=${applicationPassword}`, "--env", "MYSQL_INITDB_SKIP_TZINFO=1"],
      ],
      [
        ...["--server-id", String(hostNumber[name]), "--gtid-mode=ON", "--enforce-gtid-consistency=ON"],
        ...["--innodb-buffer-pool-size=64M", "--mysqlx=OFF", "--skip-name-resolve", "--innodb-numa-interleave=OFF"],
      ],
    );
    // Over TCP: through its socket answers already the mysqld that only sets the data up.
    await soon(180, async () => (await this.connect(name)).destroy());
    const version = String((await this.sql(name, "SELECT @@version AS version"))[0]?.["version"]);
    if (Number.parseFloat(version) < 8.2) throw new Error(`this test grants SET_ANY_DEFINER; MySQL is ${version}`);
    const agent = `'${failoverAccounts.mysql}'@'%'`;
    const replication = `'${failoverAccounts.replication}'@'%'`;
    await this.sql(
      name,
      "SET SESSION sql_log_bin = 0",
      "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
      "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'",
      "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
      `CREATE USER ${agent} IDENTIFIED BY '${agentPassword}' REQUIRE SSL`,
      `GRANT ${failoverPrivileges.static.join(", ")} ON *.* TO ${agent}`,
      `GRANT ${failoverPrivileges.dynamic.join(", ")} ON *.* TO ${agent}`,
      `GRANT SELECT ON performance_schema.* TO ${agent}`,
      `CREATE USER ${replication} IDENTIFIED BY '${replicationPassword}' REQUIRE SSL`,
      `GRANT REPLICATION SLAVE ON *.* TO ${replication}`,
      `GRANT BACKUP_ADMIN ON *.* TO ${replication}`,
      ...(name === "b"
        ? ["RESET BINARY LOGS AND GTIDS"]
        : ["CREATE TABLE im.acknowledged (id BIGINT PRIMARY KEY, at DATETIME(6))"]),
      "SET PERSIST super_read_only = ON",
      "SET PERSIST_ONLY skip_replica_start = ON",
    );
    if (name === "a")
      await this.sql(
        name,
        "SET GLOBAL super_read_only = OFF",
        "CREATE TABLE im.first (id INT PRIMARY KEY)",
        "SET GLOBAL super_read_only = ON",
      );
  }

  async #startRedis(name: PairServer): Promise<void> {
    const options = ["--network", network, "--ip", this.address(name, "redis"), "--restart", "unless-stopped"];
    await this.#containers.start("redis", this.container(name, "redis"), options, [
      ...["redis-server", "--requirepass", redisPassword, "--appendonly", "yes", "--protected-mode", "no"],
    ]);
  }

  async #configure(name: PairServer): Promise<void> {
    const other: PairServer = name === "a" ? "b" : "a";
    this.#ports[name] = await freePort();
    const secret = (file: string, content: string) => {
      writeFileSync(this.#path(name, file), content, { mode: 0o400 });
      return this.#path(name, file);
    };
    const file: AgentConfigurationFile = {
      server: { name, address: `127.0.0.${hostNumber[name]}` },
      peer: { name: other, address: `127.0.0.${hostNumber[other]}` },
      http: {
        localPort: this.#ports[name],
        tls: {
          certificateAuthority: this.#path("ca.crt"),
          certificate: this.#path("server.crt"),
          key: this.#path("server.key"),
        },
        tokenFile: secret("token", "token-1"),
      },
      mysql: {
        container: this.container(name),
        host: this.address(name),
        port: 3306,
        account: { passwordFile: secret("mysql-agent", agentPassword) },
        replication: { passwordFile: secret("mysql-replication", replicationPassword) },
        peer: { address: this.address(other), port: 3306 },
      },
      redis: {
        container: this.container(name, "redis"),
        host: this.address(name, "redis"),
        port: 6379,
        passwordFile: secret("redis", redisPassword),
        peer: { address: this.address(other, "redis"), port: 6379 },
      },
      votes: this.#options.witness ?? {
        witness: "etcd",
        endpoints: [this.#etcdUrl],
        account: { passwordFile: secret("etcd-agent", etcdPassword) },
      },
      paths: {
        state: this.#path(name, "state"),
        runtime: this.#servers[name].runtime,
        deadline: this.#path(name, "run", "leader-until"),
        log: this.#servers[name].log,
      },
    };
    writeFileSync(this.#servers[name].configurationFile, JSON.stringify(this.#options.configure?.(file, name) ?? file));
  }

  // --- the servers --------------------------------------------------------------------------------------------------------------

  /** As root, over the socket of the container. The answer of the last statement. */
  async sql(
    server: PairServer,
    ...statements: readonly string[]
  ): Promise<readonly Readonly<Record<string, string>>[]> {
    const { stdout } = await runChecked(
      "docker",
      [
        ...["exec", "--interactive", "--env", `MYSQL_PWD=${rootPassword}`, this.container(server)],
        ...["mysql", "--batch", "--raw", "--user=root", "--protocol=socket"],
      ],
      { input: `${statements.join(";\n")};\n`, timeoutSeconds: 30 },
    );
    const [head = "", ...lines] = stdout.trimEnd().split("\n");
    const names = head.split("\t");
    return lines.map((line) => Object.fromEntries(line.split("\t").map((cell, index) => [names[index] ?? "", cell])));
  }

  /** kill -9 by the host: Docker's restart policy takes it for a crash. */
  async killProcess(server: PairServer, service: "mysql" | "redis" = "mysql"): Promise<void> {
    process.kill(await this.pid(server, service), "SIGKILL");
  }

  async pid(server: PairServer, service: "mysql" | "redis" = "mysql"): Promise<number> {
    const { stdout } = await runChecked("docker", [
      "inspect",
      "--format",
      "{{.State.Pid}}",
      this.container(server, service),
    ]);
    return Number(stdout);
  }

  /** The server that both take for the leader. */
  async leader(): Promise<PairServer> {
    const [a, b] = [await this.status("a"), await this.status("b")];
    if (a.leader === undefined || a.leader !== b.leader) throw new Error(`a says ${a.leader}, b says ${b.leader}`);
    return a.leader;
  }

  /** Waits until that server serves as leader. */
  async untilPrimary(server: PairServer, seconds: number): Promise<void> {
    await soon(seconds, async () => {
      const { status } = await this.http(server, "/primary");
      if (status !== 200) throw new Error(`server ${server} is no leader: ${(await this.status(server)).because}`);
    });
  }

  /** Waits until both servers have everything. @returns the leader. */
  async untilWhole(seconds: number): Promise<PairServer> {
    return await soon(seconds, async () => {
      const leader = await this.leader();
      const { members, because } = await this.status(leader);
      if (members.length !== 2) throw new Error(`only ${members} has everything: ${because}`);
      return leader;
    });
  }

  async redis(server: PairServer, ...words: readonly string[]): Promise<string> {
    const { stdout } = await runChecked("docker", [
      ...["exec", "--env", `REDISCLI_AUTH=${redisPassword}`, this.container(server, "redis"), "redis-cli", ...words],
    ]);
    return stdout.trim();
  }

  /** As the controller of that server reads it. */
  configuration(server: PairServer): AgentConfiguration {
    return readAgentConfiguration(this.#servers[server].configurationFile);
  }

  /** The application's own connection. */
  connect(server: PairServer): Promise<Connection> {
    return createConnection({
      host: this.address(server),
      user: "app",
      password: applicationPassword,
      database: "im",
      connectTimeout: 1000,
      ssl: { rejectUnauthorized: false },
    });
  }

  startController(server: PairServer): void {
    const one = this.#servers[server];
    const [program = process.execPath, ...args] = this.#options.program ?? [
      process.execPath,
      join(repositoryRoot, "agent", "main.ts"),
    ];
    const output = openSync(this.#path(server, "controller.log"), "a");
    one.controller = spawn(program, [...args, "run", one.configurationFile], { stdio: ["ignore", "ignore", output] });
  }

  /** @param signal SIGSTOP and SIGCONT suspend it and let it go on. */
  async signalController(server: PairServer, signal: NodeJS.Signals): Promise<void> {
    const { controller } = this.#servers[server];
    if (controller === undefined) return;
    const ended = new Promise((resolve) => controller.once("exit", resolve));
    controller.kill(signal);
    if (signal !== "SIGSTOP" && signal !== "SIGCONT") await ended;
  }

  /** As an operator types it on that server. */
  imHa(server: PairServer, ...words: readonly string[]) {
    const [program = process.execPath, ...args] = this.#options.program ?? [
      process.execPath,
      join(repositoryRoot, "agent", "main.ts"),
    ];
    return run(program, [...args, ...words, "--config", this.#servers[server].configurationFile], {
      timeoutSeconds: 90,
    });
  }

  /** @param path of the controller's local port. */
  async http(server: PairServer, path: string): Promise<{ status: number; text: string }> {
    return await HttpClient.url(`http://127.0.0.1:${this.#ports[server]}`).ask(path, { timeout: 3000 });
  }

  localPort(server: PairServer): number {
    return this.#ports[server];
  }

  async status(server: PairServer): Promise<Status> {
    return JSON.parse((await this.http(server, "/status")).text) as Status;
  }

  events(server: PairServer): readonly Readonly<Record<string, unknown>>[] {
    const file = this.#servers[server].log;
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  deadline(server: PairServer): number {
    return Number(readFileSync(join(this.#servers[server].runtime, "leader-until"), "utf8"));
  }

  get etcdProcess(): ChildProcess | undefined {
    return this.#etcd;
  }

  async remove(): Promise<void> {
    for (const { controller } of Object.values(this.#servers)) controller?.kill("SIGKILL");
    this.#etcd?.kill("SIGKILL");
    await this.#containers.removeAll();
    await run("docker", ["network", "rm", network]);
    if (this.#options.dataMiB !== undefined) {
      await run("docker", ["volume", "rm", this.#volume("a"), this.#volume("b")]);
    }
  }
}

/** Repeats a check until it holds. @throws its last error. */
export async function soon<T>(seconds: number, check: () => Promise<T>): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** The distribution's etcd: installed, or unpacked beside the temporary files. */
async function findEtcd(): Promise<string> {
  if ((await run("sh", ["-c", "command -v etcd"])).exitCode === 0) return "etcd";
  const folder = join(tmpdir(), "im-suite-ha-etcd");
  const program = join(folder, "usr", "bin", "etcd");
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  await runChecked("apt-get", ["download", "etcd-server"], { cwd: folder });
  await runChecked("sh", ["-c", `dpkg-deb -x etcd-server_*.deb .`], { cwd: folder });
  return program;
}

/** Writes numbered rows one after the other, whoever leads, and knows which were acknowledged. */
export class Writer {
  readonly acknowledged: number[] = [];
  /** Longest time between two acknowledgements, milliseconds. */
  longestGap = 0;
  readonly #pair: ThrowAwayPair;
  readonly #first: number;
  #isEnded = false;
  #running: Promise<void> | undefined;
  #last: number | undefined;
  #next: number;

  constructor(pair: ThrowAwayPair, first: number) {
    this.#pair = pair;
    this.#first = first;
    this.#next = first;
  }

  start(): void {
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#running;
  }

  /** Acknowledged rows that a server has not got. */
  async missing(server: PairServer): Promise<readonly number[]> {
    const until = [...this.acknowledged];
    const connection = await this.#pair.connect(server);
    try {
      const [rows] = await connection.query<RowDataPacket[]>("SELECT id FROM acknowledged WHERE id >= ? AND id < ?", [
        this.#first,
        this.#first + 1_000_000,
      ]);
      const there = new Set(rows.map((row) => Number(row["id"])));
      return until.filter((id) => !there.has(id));
    } finally {
      await connection.end();
    }
  }

  resetGap(): void {
    this.longestGap = 0;
    this.#last = performance.now();
  }

  async #run(): Promise<void> {
    let at: PairServer = "a";
    while (!this.#isEnded) {
      let connection: Connection | undefined;
      try {
        connection = await this.#pair.connect(at);
        connection.on("error", () => undefined);
        while (!this.#isEnded) {
          const id = this.#next++;
          await connection.query({ sql: `INSERT INTO acknowledged VALUES (${id}, NOW(6))`, timeout: 3000 });
          this.acknowledged.push(id);
          const now = performance.now();
          this.longestGap = Math.max(this.longestGap, now - (this.#last ?? now));
          this.#last = now;
          // As fast as it can it would measure the machine: the replica falls behind, and draining takes its time.
          await new Promise((resolve) => setTimeout(resolve, 3));
        }
      } catch {
        at = at === "a" ? "b" : "a";
        await new Promise((resolve) => setTimeout(resolve, 20));
      } finally {
        connection?.destroy();
      }
    }
  }
}
