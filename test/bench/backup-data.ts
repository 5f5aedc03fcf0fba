import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, createConnection } from "mysql2/promise";
import { mysqlAccounts } from "../../config/names.ts";
import { suitePorts } from "../../config/ports.ts";
import { OperatorError } from "../../lib/errors.ts";
import { quote, script } from "../../lib/shell.ts";
import { type SshServer, sshScript } from "../../lib/ssh.ts";

/** How much a suite of the benchmark holds. Rows are about 250 bytes in a dump, objects are photos: nothing compresses them. */
export interface DataSize {
  readonly rows: number;
  readonly objects: number;
  readonly objectBytes: number;
  /**
   * Each run is one more day of the same suite, instead of a first and a second day on empty disks: the first day of 2 GB takes a quarter
   * of an hour.
   */
  readonly consecutiveDays: boolean;
}

export const sizes: Readonly<Record<string, DataSize>> = {
  /** As the lab's suite: 100,000 messages, 240 attachments. */
  lab: { rows: 100_000, objects: 240, objectBytes: 60_000, consecutiveDays: false },
  /** 1 GB of messages, 1 GB of photos. */
  "2g": { rows: 4_000_000, objects: 2000, objectBytes: 500_000, consecutiveDays: true },
};

/** On the lab's own network, while the benchmark runs. */
const relayPort = 13307;

/** A created suite on a server: what the benchmark fills, loads and looks at. */
export class BenchSuite {
  readonly server: SshServer;
  #relay: Promise<void> | undefined;
  #objects = 0;

  constructor(server: SshServer) {
    this.server = server;
  }

  /** Runs a bash script on the server as root. */
  async run(text: string, timeoutSeconds = 3600): Promise<string> {
    const result = await sshScript(this.server, `{\n${script(text)}} </dev/null\n`, "server", { timeoutSeconds });
    if (result.exitCode !== 0) {
      throw new OperatorError(
        `On ${this.server.address}:\n${`${result.stdout}\n${result.stderr}`.trim().slice(-1500)}`,
      );
    }
    return result.stdout.trim();
  }

  /** MySQL listens on the server's loopback only. */
  async connect(): Promise<Connection> {
    this.#relay ??= this.#openRelay();
    await this.#relay;
    const password = await this.run("cat /var/lib/im-suite/secrets/mysql-application-password");
    const user = mysqlAccounts.application;
    return await createConnection({ host: this.server.address, port: relayPort, user, password, database: "im_suite" });
  }

  /** Not a tunnel of ssh: that one held packets back for 20 ms now and then, ten times what a write takes. */
  async #openRelay(): Promise<void> {
    const listen = `${this.server.address}:${relayPort}`;
    await this.run(`systemctl stop bench-mysql.socket bench-mysql.service 2>/dev/null || true
systemd-run --quiet --unit bench-mysql --socket-property=ListenStream=${listen} --socket-property=NoDelay=true /lib/systemd/systemd-socket-proxyd 127.0.0.1:${suitePorts.mysql}`);
  }

  async close(): Promise<void> {
    if (this.#relay !== undefined) await this.run("systemctl stop bench-mysql.socket bench-mysql.service || true");
    this.#relay = undefined;
  }

  /** Appends so many messages, made of a few thousand words as people write them, and photos. */
  async add(rows: number, objects: number, objectBytes: number): Promise<void> {
    const connection = await this.connect();
    try {
      await connection.query("SET SESSION cte_max_recursion_depth = 100000, foreign_key_checks = 0");
      for (let left = rows; left > 0; left -= 50_000) await connection.query(insertMessages, [Math.min(left, 50_000)]);
    } finally {
      await connection.end();
    }
    if (objects > 0) {
      await this.run(
        mcOnServer(`mc mb --ignore-existing suite/im-suite >/dev/null
mkdir /tmp/new; i=0
while [ $i -lt ${objects} ]; do head -c ${objectBytes} /dev/urandom >/tmp/new/${this.#objects}-$i.jpg; i=$((i + 1)); done
mc --quiet cp --recursive --attr "X-Amz-Meta-Owner=bench" /tmp/new/ suite/im-suite/${this.#objects}/ >/dev/null`),
      );
      this.#objects += objects;
    }
  }

  /** What a day of chat changes: 2 % more rows and objects, and 1 % of all rows updated, all of them in the newest tenth. */
  async growByADay(size: DataSize): Promise<void> {
    await this.add(Math.round(size.rows * 0.02), Math.max(1, Math.round(size.objects * 0.02)), size.objectBytes);
    const connection = await this.connect();
    try {
      const [rows] = await connection.query("SELECT MAX(id) AS newest, COUNT(*) AS count FROM messages");
      const { newest, count } = (rows as { newest: number; count: number }[])[0] ?? { newest: 0, count: 0 };
      await connection.query("UPDATE messages SET body = CONCAT(body, ' 已编辑') WHERE id > ? AND id % 10 = 0", [
        newest - count * 0.1,
      ]);
    } finally {
      await connection.end();
    }
  }
}

/** A message is 6 to 30 words out of 3,000: a dump of them compresses as that of a real chat does, to about a third. */
const insertMessages = `INSERT INTO messages (uuid, conversation_id, sender_id, body)
WITH RECURSIVE numbers AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM numbers WHERE i < ?)
SELECT UUID(), 1 + FLOOR(RAND() * 500), 1 + FLOOR(RAND() * 200), CONCAT_WS(' ', ${Array.from(
  { length: 18 },
  () => "CONV(FLOOR(POW(RAND(), 2) * 3000) * 7919 + 46656, 10, 36)",
).join(", ")}) FROM numbers`;

/** mc beside the MinIO of a created suite, with its keys on stdin. */
function mcOnServer(text: string): string {
  return `docker run --rm --interactive --network container:im-minio --entrypoint sh "$(docker inspect --format '{{.Image}}' im-minio)" -c ${quote(
    `mkdir -p /dev/shm/mc && cat >/dev/shm/mc/config.json; mc() { command mc --config-dir /dev/shm/mc "$@"; }; set -e\n${text}`,
  )} </etc/im-suite/credentials/backup-minio.json`;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly writes: number;
}

/** Writes 50 messages a second, each acknowledged, until it is stopped; never more than eight at once. */
export async function startWriter(suite: BenchSuite): Promise<() => Promise<Latency>> {
  const connections = await Promise.all(Array.from({ length: 8 }, () => suite.connect()));
  const times: number[] = [];
  let stopped = false;
  let due = performance.now();
  const lane = async (connection: Connection) => {
    while (!stopped) {
      const mine = due;
      due += 20;
      const wait = mine - performance.now();
      if (wait > 0) await sleep(wait);
      // A writer that fell behind does not make up for it: it is bounded, as people are.
      else due = Math.max(due, performance.now());
      const started = performance.now();
      await connection.query(
        "INSERT INTO messages (uuid, conversation_id, sender_id, body) VALUES (UUID(), 1, 1, 'bench')",
      );
      times.push(performance.now() - started);
    }
  };
  const lanes = connections.map(lane);
  return async () => {
    stopped = true;
    await Promise.all(lanes);
    await Promise.all(connections.map((connection) => connection.end()));
    const sorted = times.sort((left, right) => left - right);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1), writes: sorted.length };
  };
}
