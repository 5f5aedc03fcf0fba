import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { z } from "zod";
import { failoverAccounts, failoverCredentials, failoverPaths, failoverPorts } from "../config/failover.ts";
import { absolutePath, port } from "../config/schema-values.ts";
import { OperatorError } from "../lib/errors.ts";
import { defaultLimits } from "./view.ts";

/**
 * The controller's configuration file, strict: a misspelt bound that is silently ignored would be found in the first failure. Everything
 * that has one right value on every server has it here as its default; the file names what differs. It holds no secret: those lie in
 * files of their own, whose whole content (without a last line break) is the secret.
 */

/** A literal IP address: a name would need a resolver in the middle of a failure, and CLONE takes none. */
const address = z
  .string("expected an IP address")
  .refine((value) => isIP(value) !== 0, "expected an IP address, not a name");

/** Milliseconds. */
const milliseconds = z.int("expected whole milliseconds").min(1, "expected at least 1 ms");

/** A file with one secret. */
const secretFile = absolutePath;

/** Where the peer's MySQL or Redis listens for this server's replication. From inside the container of this server too. */
const reachedAt = (defaultPort: number) => z.strictObject({ address, port: port.default(defaultPort) });

const tls = z
  .strictObject({
    /** PEM of the private CA: both controllers and etcd have certificates of it. */
    certificateAuthority: absolutePath.default(failoverPaths.certificateAuthority),
    /** For server and client use; its names hold this server's address. */
    certificate: absolutePath.default(failoverPaths.certificate),
    key: absolutePath.default(failoverPaths.key),
  })
  .prefault({});

const http = z
  .strictObject({
    /** The peer, Prometheus and load balancers come here, with TLS. Default: this server's address. */
    address: address.optional(),
    port: port.default(failoverPorts.controller),
    tls,
    /** The same on 127.0.0.1 without TLS: HAProxy on this server, `im-ha`. */
    localPort: port.default(failoverPorts.controllerLocal),
    /** Port of the peer's controller. */
    peerPort: port.default(failoverPorts.controller),
    /** Changes from elsewhere than this server need its content as a bearer token. Without it they are refused. */
    tokenFile: secretFile.optional(),
  })
  .prefault({});

const account = (user: string, passwordFile: string) =>
  z
    .strictObject({ user: z.string().min(1).default(user), passwordFile: secretFile.default(passwordFile) })
    .prefault({});

const mysql = z.strictObject({
  /** The container that this controller, and after a fault nobody else, starts and kills. */
  container: z.string().min(1, "expected the name of MySQL's container"),
  /** How the controller reaches this server's own mysqld. */
  host: address.default("127.0.0.1"),
  port,
  /** TLS to the own mysqld, whose certificate is self-made and not checked. Off only where mysqld has none. */
  tls: z.boolean().default(true),
  /** Observes, opens, closes, clones. Needs CONNECTION_ADMIN: it must get in while mysqld is offline to others. */
  account: account(failoverAccounts.mysql, failoverCredentials.mysql),
  /** The same account on both servers: the peer's replica and CLONE come with it. */
  replication: account(failoverAccounts.replication, failoverCredentials.replication),
  peer: reachedAt(failoverPorts.mysqlReplication),
  /** The data directory inside the container. Binary logs are copied out of it before a clone wipes them. */
  dataDirectory: absolutePath.default("/var/lib/mysql"),
});

const redis = z.strictObject({
  container: z.string().min(1, "expected the name of Redis's container"),
  host: address.default("127.0.0.1"),
  port,
  /** Absent: Redis asks for none. */
  passwordFile: secretFile.optional(),
  peer: reachedAt(failoverPorts.redisReplication),
});

const etcd = z.strictObject({
  witness: z.literal("etcd"),
  /** All three members, the own one first: https://ADDRESS:2379. */
  endpoints: z
    .array(z.url({ protocol: /^https?$/, error: "expected an address such as https://203.0.113.10:2379" }))
    .min(1, "expected the addresses of etcd's members"),
  /** Without it the votes are open to everybody who reaches the port. */
  account: account(failoverAccounts.etcd, failoverCredentials.etcd).optional(),
  /** All keys begin with it: two suites may share three voters. */
  prefix: z
    .string()
    .regex(/^\/[a-z0-9/-]+\/$/, "expected a prefix such as /im-suite/")
    .default("/im-suite/"),
});

const withoutWitness = z.strictObject({
  witness: z.literal("none"),
  /**
   * failover: the replica is promoted when the primary is gone, and a lost replica blocks writes until `im-ha degrade`. availability:
   * the primary goes on alone, and a failover is the operator's. Both at once would acknowledge on both sides of a cut link.
   */
  policy: z.enum(["failover", "availability"]).default("failover"),
});

const vip = z
  .discriminatedUnion("mode", [
    z.strictObject({
      mode: z.literal("keepalived"),
      /** Only to see whether this server holds it. */
      address,
    }),
    z.strictObject({
      mode: z.literal("hook"),
      /** Program and arguments; the role (leader, replica, none) is added as the last one. Called on each change and after each start. */
      command: z
        .array(z.string().min(1))
        .min(1)
        .refine((words) => words[0]?.startsWith("/"), "expected an absolute path"),
      timeout: milliseconds.default(10_000),
      address: address.optional(),
    }),
    z.strictObject({ mode: z.literal("none") }),
  ])
  .default({ mode: "none" });

const backend = z.strictObject({
  /** Answers 2xx while the backend of this server can serve. Down for `limits.backendDown` and healthy on the peer: a planned switchover. */
  healthUrl: z.url({ protocol: /^https?$/ }),
  timeout: milliseconds.default(2000),
});

/** Bounds of decisions (docs/failover-protocol.md); they say how long people wait, never what is safe. */
const limits = z
  .strictObject(
    Object.fromEntries(Object.entries(defaultLimits).map(([name, value]) => [name, milliseconds.default(value)])) as {
      [Name in keyof typeof defaultLimits]: z.ZodDefault<typeof milliseconds>;
    },
  )
  .prefault({});

const timing = z
  .strictObject({
    /** Between two looks when nothing is to be done. */
    pause: milliseconds.default(300),
    /** What has not answered a look by then is silent. */
    look: milliseconds.default(1000),
    /** One statement that changes something. CLONE and draining have no bound of this kind. */
    statement: milliseconds.default(5000),
    /** A leader's mysqld that answers and cannot write for so long (a full or stuck disk) counts as silent, if the other can take over. */
    stall: milliseconds.default(8000),
    /** A role that is not renewed ends after so long: a frozen controller must not stay leader to others. */
    role: milliseconds.default(3000),
    /** Time to live of the lease, whole seconds. */
    leaseSeconds: z.int().min(2).max(60).default(4),
  })
  .prefault({});

const paths = z
  .strictObject({
    state: absolutePath.default(failoverPaths.state),
    runtime: absolutePath.default(failoverPaths.runtime),
    deadline: absolutePath.default(failoverPaths.deadline),
    log: absolutePath.default(failoverPaths.log),
    dockerSocket: absolutePath.default("/var/run/docker.sock"),
  })
  .prefault({});

const serverName = z.enum(["a", "b"], "expected a or b");

export const agentConfiguration = z
  .strictObject({
    server: z.strictObject({ name: serverName, address }),
    peer: z.strictObject({ name: serverName, address }),
    http,
    mysql,
    /** Absent: Redis is not moved. */
    redis: redis.optional(),
    votes: z.discriminatedUnion("witness", [etcd, withoutWitness]),
    vip,
    /** Absent: a dead backend moves nothing. */
    backend: backend.optional(),
    limits,
    timing,
    paths,
  })
  .refine((value) => value.server.name !== value.peer.name, {
    path: ["peer", "name"],
    message: "expected the other server's name",
  })
  .refine((value) => value.server.address !== value.peer.address, {
    path: ["peer", "address"],
    message: "expected the other server's address",
  });

/** What the file says, defaults filled in. */
export type AgentConfiguration = z.infer<typeof agentConfiguration>;
/** What is written into the file. */
export type AgentConfigurationFile = z.input<typeof agentConfiguration>;

/** @throws OperatorError that names the file, the key and what is expected there. */
export function readAgentConfiguration(file: string = failoverPaths.configuration): AgentConfiguration {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new OperatorError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = agentConfiguration.safeParse(content);
  if (!parsed.success) throw new OperatorError(`${file}:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** One secret, without the line break that an editor leaves at the end. @throws OperatorError when it is missing or empty. */
export function readSecret(file: string): string {
  let secret: string;
  try {
    secret = readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new OperatorError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (secret === "") throw new OperatorError(`${file} is empty: expected a password`);
  return secret;
}
