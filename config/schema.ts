import { isIP } from "node:net";
import { z } from "zod";
import { address, isPrivate } from "./addresses.ts";
import { alertCredentials, alerts } from "./alerts-schema.ts";
import { backup, backupCredentials } from "./backup-schema.ts";
import { imageKeys } from "./images.ts";
import { adoptedContainers, type SuiteService, suiteServices } from "./names.ts";
import { pairIssues, redundancy, vip, witness } from "./pair-schema.ts";
import { ownPorts, suitePorts } from "./ports.ts";
import { type RotationKind, rotationKinds } from "./rotation.ts";
import { absolutePath, port, withoutLineBreak } from "./schema-values.ts";
import { server } from "./server-schema.ts";

/**
 * The whole configuration, strict: a key that nobody reads fails the preview, because a misspelt safety setting that is
 * silently ignored is worse than none. The keys are those of `Pulumi.<stack>.yaml` without the `im:` prefix.
 */

const notPublic = "expected a loopback or private address: what listens here gives away much of a server";
const privateAddress = address.refine((value) => isIP(value) === 0 || isPrivate(value), notPublic);

/** A name that is safe in a path, a unit and a container name. */
const containerName = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, "expected a container name");

const services = z.enum(suiteServices as [SuiteService, ...SuiteService[]]);

const ports = z
  .strictObject(
    Object.fromEntries(Object.entries(suitePorts).map(([name, value]) => [name, port.default(value)])) as {
      [Name in keyof typeof suitePorts]: z.ZodDefault<typeof port>;
    },
  )
  .prefault({});

const adoptedSuite = z.strictObject({
  mode: z.literal("adopt"),
  /** Where the operator's compose file lies. Read, never written. */
  directory: absolutePath.default("/root/im-suite"),
  containers: z
    .strictObject(
      Object.fromEntries(
        Object.entries(adoptedContainers).map(([name, value]) => [name, containerName.default(value)]),
      ) as {
        [Name in SuiteService]: z.ZodDefault<typeof containerName>;
      },
    )
    .prefault({}),
  ports,
  /** Services that this suite does not have. */
  without: z.array(services).default([]),
});

const createdSuite = z.strictObject({
  mode: z.literal("create"),
  ports,
  /** Address on which the API and the admin page listen. Databases always listen on 127.0.0.1. */
  publicAddress: z.union([address, z.literal("0.0.0.0")]).default("0.0.0.0"),
  /** Services to leave out. */
  without: z.array(services).default([]),
  database: z
    .string()
    .regex(/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/, "expected a database name")
    .default("im_suite"),
  /** Memory limits in MiB. Changing one is applied to the running container; it does not restart it. */
  memoryMiB: z
    .strictObject({
      mysql: z.number().int().min(512).default(2048),
      redis: z.number().int().min(64).default(512),
      minio: z.number().int().min(256).default(1024),
      backend: z.number().int().min(64).default(512),
      admin: z.number().int().min(32).default(128),
      prometheus: z.number().int().min(128).default(512),
      grafana: z.number().int().min(128).default(512),
    })
    .prefault({}),
  /**
   * Containers whose replacement (or destruction) is allowed in the next `up` (or `destroy`). Everything that would replace a data
   * container fails the preview unless it is named here: a replacement restarts the database.
   */
  allowReplace: z.array(z.enum(["mysql", "redis", "minio"])).default([]),
});

/** Passwords of an adopted suite: any characters. Written with `pulumi config set --secret --path`. */
const adoptedCredentials = z.strictObject({
  mysqlRootPassword: z.string().min(1).refine(withoutLineBreak, "a password cannot contain a line break or NUL"),
  redisPassword: z.string().refine(withoutLineBreak, "a password cannot contain a line break or NUL").default(""),
  /** Both are needed unless the suite has no MinIO. */
  minioAccessKey: z.string().default(""),
  minioSecretKey: z.string().default(""),
});

/** MinIO's own lower limits. */
const minioKeyLengths = { minioAccessKey: 3, minioSecretKey: 8 } as const;

const alias = z.enum(["a", "b", "c"]);

const reference = z
  .string()
  .regex(
    /^[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?$/,
    "expected an image reference such as mysql:8.4.6@sha256:…",
  );

/** Raised by one: this password is changed by the next `up`. */
const rotationCounter = z.number().int("expected a whole number").min(1).max(1_000_000).default(1);

/** How often each password was changed, the first one included. `npm run rotate` raises them. See docs/decisions/0011-rotation.md. */
const rotation = z.strictObject(
  Object.fromEntries(rotationKinds.map((kind) => [kind, rotationCounter])) as {
    [Kind in RotationKind]: typeof rotationCounter;
  },
);

const oneQuery = "expected one SELECT that gives one whole number, without a semicolon; empty to leave it out";
const growthQuery = z
  .string(oneQuery)
  .refine((sql) => sql.trim() === "" || (/^\s*select\s/i.test(sql) && !/[;\0]/.test(sql)), oneQuery);

const identifier = z.string().regex(/^[A-Za-z0-9_$-]{1,64}$/, "expected a name of letters, digits, _, $ and -");

/** The newest messages alone are read, by the primary key: at ten times the trigger the count may as well end. */
const recentMessages =
  "(SELECT sender_id, created_at FROM messages ORDER BY id DESC LIMIT 100000) AS recent WHERE created_at >= NOW() - INTERVAL 1 DAY";

/** When stage 2 is due (the roadmap's triggers). The queries fit the sample suite; another schema needs its own. */
const growth = z.strictObject({
  enabled: z.boolean().default(true),
  /** Schema with the tables. Default: a created suite's; an adopted one's must be named, else users and messages are not counted. */
  database: identifier.optional(),
  /** What the queries read: the account im_growth may read these tables and nothing else. */
  tables: z.array(identifier).default(["users", "messages"]),
  queries: z
    .strictObject({
      registeredUsers: growthQuery.default("SELECT COUNT(*) FROM users"),
      /** Who sent something within a day. A schema with a time of the last visit can do better. */
      dailyActiveUsers: growthQuery.default(`SELECT COUNT(DISTINCT sender_id) FROM ${recentMessages}`),
      messagesPerDay: growthQuery.default(`SELECT COUNT(*) FROM ${recentMessages}`),
    })
    .prefault({}),
});

export const configurationSchema = z
  .strictObject({
    stage: z.union([z.literal(1), z.literal(2), z.literal(3)], { error: "expected 1, 2 or 3" }),
    /** The stack below. Read from stage 2 on. Default: organization/im-suite-ha/stage<N-1>. */
    previousStack: z.string().optional(),
    servers: z.partialRecord(alias, server),
    suite: z.discriminatedUnion("mode", [adoptedSuite, createdSuite], {
      error: 'expected mode: "adopt" (the suite already runs) or "create" (an empty server)',
    }),
    adoptedCredentials: adoptedCredentials.optional(),
    images: z.partialRecord(z.enum(imageKeys as [string, ...string[]]), reference).default({}),
    /** Mirrors for networks where the defaults are slow or closed. */
    mirrors: z
      .strictObject({
        /** Base address of a Debian or Ubuntu mirror. Used only for our own apt calls; the server's own sources stay. */
        apt: z.url({ protocol: /^https?$/, error: "expected http://… or https://…" }).optional(),
        /** Registry mirrors for a Docker Engine that we install. An engine that is already there is never reconfigured. */
        docker: z.array(z.url({ protocol: /^https?$/, error: "expected http://… or https://…" })).default([]),
      })
      .prefault({}),
    /** Time servers for a server that we bootstrap. Empty: the distribution's own. */
    timeServers: z.array(z.string().regex(/^[a-zA-Z0-9.:-]+$/, "expected a host name or an address")).default([]),
    healthCheck: z
      .strictObject({
        intervalMinutes: z.number().int().min(1).max(60).default(5),
        diskUsagePercent: z.number().int().min(1).max(99).default(80),
      })
      .prefault({}),
    backup: backup.prefault({}),
    backupCredentials: backupCredentials.default({}),
    rotation: rotation.prefault({}),
    monitoring: z
      .strictObject({
        /** Where the exporters listen. They give away much of a server: never a public address. */
        listenAddress: privateAddress.default("127.0.0.1"),
        /** Where the backend offers Prometheus metrics; empty when it has none. */
        backendMetricsPath: z
          .string()
          .regex(/^(\/[^\s?#]*)?$/, "expected a path such as /metrics, or empty")
          .default("/metrics"),
        /** Read MinIO's own metrics, with an account `im_metrics` that may do nothing else. Needs mc in MinIO's image. */
        minioMetrics: z.boolean().default(true),
        /** Endpoints whose certificate is watched, as host:port. */
        tlsEndpoints: z.array(z.string().regex(/^[a-zA-Z0-9.-]+:\d{1,5}$/, "expected host:port")).default([]),
        /** Limits of our own Prometheus beside an adopted suite, and of Alertmanager. */
        memoryMiB: z
          .strictObject({
            prometheus: z.number().int().min(128).default(512),
            alertmanager: z.number().int().min(48).default(128),
          })
          .prefault({}),
      })
      .prefault({}),
    alerts: alerts.prefault({}),
    growth: growth.prefault({}),
    alertCredentials: alertCredentials.prefault({}),
    /** Stage 2: see config/pair-schema.ts. */
    witness: witness.optional(),
    vip: vip.optional(),
    redundancy: redundancy.prefault({}),
    /** Monthly prices in CNY that replace or extend the roadmap's. */
    costs: z.record(z.string(), z.number().min(0)).default({}),
  })
  .check((context) => {
    const { servers, suite, adoptedCredentials: credentials, stage } = context.value;
    const issue = (path: (string | number)[], value: unknown, message: string) =>
      context.issues.push({ code: "custom", path, input: value, message });

    if (servers.a === undefined) issue(["servers", "a"], undefined, "stage 1 needs server a");
    const seen = new Map<string, string>();
    for (const [name, one] of Object.entries(servers)) {
      if (one === undefined) continue;
      const other = seen.get(one.address);
      if (other !== undefined) {
        issue(
          ["servers", name, "address"],
          one.address,
          `server ${other} has the same address: each server needs its own`,
        );
      }
      seen.set(one.address, name);
    }

    for (const { path, value, message } of pairIssues(context.value)) issue([...path], value, message);
    if (stage > 1 && credentials !== undefined) {
      issue(["adoptedCredentials"], credentials, "the passwords come from stage 1: remove this key");
    }
    if (suite.mode === "adopt" && stage === 1 && credentials === undefined) {
      issue(
        ["adoptedCredentials"],
        undefined,
        "adopting a suite needs its passwords (npm run configure asks for them)",
      );
    }
    if (suite.mode === "create" && credentials !== undefined) {
      issue(["adoptedCredentials"], undefined, "a created suite gets generated passwords: remove this key");
    }
    const { mail } = context.value.alerts;
    const { mailPassword } = context.value.alertCredentials;
    if (mailPassword !== undefined && mail?.user === undefined) {
      issue(["alerts", "mail", "user"], mail?.user, "a mail password needs the login that it belongs to");
    }
    if (mailPassword === undefined && mail?.user !== undefined) {
      issue(
        ["alertCredentials", "mailPassword"],
        undefined,
        "the mail login has no password: pulumi config set --secret --path im:alertCredentials.mailPassword",
      );
    }
    const used = new Map<number, string>(Object.entries(ownPorts).map(([name, value]) => [value, `our ${name}`]));
    for (const [name, value] of Object.entries(suite.ports)) {
      const other = used.get(value);
      if (other !== undefined) issue(["suite", "ports", name], value, `port ${value} is already taken by ${other}`);
      used.set(value, name);
    }
    if (suite.without.includes("mysql")) {
      issue(["suite", "without"], "mysql", "the suite needs its database: every later stage is about it");
    }
    if (suite.mode === "adopt" && credentials !== undefined && !suite.without.includes("minio")) {
      for (const [key, length] of Object.entries(minioKeyLengths) as [keyof typeof minioKeyLengths, number][]) {
        if (credentials[key].length < length) {
          issue(
            ["adoptedCredentials", key],
            credentials[key],
            `expected at least ${length} characters, or "minio" in im:suite.without`,
          );
        }
      }
    }
    const names = new Set<string>(["local"]);
    for (const [index, repository] of context.value.backup.offSite.entries()) {
      if (names.has(repository.name)) {
        issue(["backup", "offSite", index, "name"], repository.name, "each repository needs a name of its own");
      }
      names.add(repository.name);
      const given = context.value.backupCredentials[repository.name];
      const needed = { directory: [], sftp: ["privateKey"], s3: ["accessKey", "secretKey"] } as const;
      for (const key of needed[repository.type]) {
        if (given?.[key] !== undefined || stage > 1) continue;
        const path = `backupCredentials.${repository.name}.${key}`;
        issue(
          ["backupCredentials", repository.name, key],
          undefined,
          `expected the ${repository.type} repository's ${key}; type: pulumi config set --secret --path im:${path}`,
        );
      }
    }
    for (const name of Object.keys(context.value.backupCredentials)) {
      if (name === "local" || !names.has(name)) {
        issue(["backupCredentials", name], "(secret)", "no repository in im:backup.offSite has this name");
      }
    }
    if (stage === 1 && context.value.previousStack !== undefined) {
      issue(["previousStack"], context.value.previousStack, "stage 1 has no stack below it: remove this key");
    }
  });

export type { ServerConfiguration } from "./server-schema.ts";
export type Configuration = z.output<typeof configurationSchema>;
export type AdoptedSuite = z.output<typeof adoptedSuite>;
export type CreatedSuite = z.output<typeof createdSuite>;
export type GrowthConfiguration = z.output<typeof growth>;
export type AdoptedCredentials = z.output<typeof adoptedCredentials>;
export type ServerAlias = z.output<typeof alias>;
