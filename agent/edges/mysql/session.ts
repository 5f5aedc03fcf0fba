import { type Connection, createConnection, escape as escapeValue, type RowDataPacket } from "mysql2/promise";

export interface MysqlLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls: boolean;
}

export type Row = Readonly<Record<string, string | null>>;

/** A value as a literal for a session of ours, whose sql_mode lets a backslash escape. */
export const literal = (value: string): string => escapeValue(value);

/**
 * One connection, and so one run of mysqld: a connection does not outlive the process. Every statement has a bound, and one that passes
 * it ends the session, because what such a statement still does is unknown.
 */
export class MysqlSession {
  readonly instance: string;
  readonly #connection: Connection;
  #isUsable = true;

  private constructor(connection: Connection, instance: string, onEnd: () => void) {
    this.#connection = connection;
    this.instance = instance;
    const end = () => {
      if (!this.#isUsable) return;
      this.#isUsable = false;
      onEnd();
    };
    connection.on("error", end);
    connection.on("end", end);
    // The promise wrapper passes on no "close": a killed mysqld is noticed by the socket first.
    (connection as unknown as { connection: { stream: NodeJS.ReadableStream } }).connection.stream.once("close", end);
  }

  /**
   * @param findInstance asked before and after connecting: only when both agree is the connection one to that run.
   * @param onEnd called once when mysqld ends the connection.
   */
  static async connect(
    login: MysqlLogin,
    timeout: number,
    findInstance: () => Promise<string | undefined>,
    onEnd: () => void = () => {},
  ): Promise<MysqlSession> {
    const before = await findInstance();
    if (before === undefined) throw new Error("mysqld does not run");
    const connection = await createConnection({
      host: login.host,
      port: login.port,
      user: login.user,
      password: login.password,
      // mysqld makes its own certificate; this is the loopback interface.
      ...(login.tls ? { ssl: { rejectUnauthorized: false } } : {}),
      connectTimeout: timeout,
      multipleStatements: true,
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      rowsAsArray: false,
    });
    const after = await findInstance().catch(() => undefined);
    const session = new MysqlSession(connection, before, onEnd);
    if (after !== before) {
      session.end();
      throw new Error("mysqld was restarted while the controller connected");
    }
    try {
      // Without a bound of its own SET GLOBAL super_read_only could wait for ever behind somebody's lock.
      await session.rows(
        "SET SESSION sql_mode = '', SESSION lock_wait_timeout = 3, SESSION wait_timeout = 86400",
        timeout,
      );
    } catch (error) {
      session.end();
      throw error;
    }
    return session;
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** One statement. */
  async rows(sql: string, timeout: number): Promise<readonly Row[]> {
    return asRows(await this.#query(sql, timeout));
  }

  /** Several statements in one round trip. */
  async results(statements: readonly string[], timeout: number): Promise<readonly (readonly Row[])[]> {
    const answer = await this.#query(statements.join(";\n"), timeout);
    return statements.length === 1 ? [asRows(answer)] : (answer as unknown[]).map(asRows);
  }

  end(): void {
    this.#isUsable = false;
    this.#connection.destroy();
  }

  async #query(sql: string, timeout: number): Promise<unknown> {
    if (!this.#isUsable) throw new Error("the connection to mysqld has ended");
    try {
      const [answer] = await this.#connection.query<RowDataPacket[]>({ sql, timeout });
      return answer;
    } catch (error) {
      if (
        (error as { fatal?: boolean }).fatal === true ||
        (error as { code?: string }).code === "PROTOCOL_SEQUENCE_TIMEOUT"
      ) {
        this.end();
      }
      throw error;
    }
  }
}

function asRows(answer: unknown): readonly Row[] {
  if (!Array.isArray(answer)) return [];
  return answer.map((row: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        value === null || value === undefined ? null : Buffer.isBuffer(value) ? value.toString("utf8") : String(value),
      ]),
    ),
  );
}

/** MySQL's error number; undefined when it was not MySQL that answered. */
export function errorNumber(error: unknown): number | undefined {
  const number = (error as { errno?: unknown }).errno;
  return typeof number === "number" && number > 0 ? number : undefined;
}
