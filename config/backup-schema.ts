import { z } from "zod";
import { absolutePath, hostKey, port, withoutLineBreak } from "./schema-values.ts";

/** The roadmap's promise for a recovery from backups. */
export const promisedRecoveryMinutes = 30;

const timeOfDay = z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, "expected a time such as 02:00");

/** How many snapshots stay: the newest of each of so many days, weeks and months. */
const retention = z.strictObject({
  daily: z.number().int().min(1).default(7),
  weekly: z.number().int().min(0).default(4),
  monthly: z.number().int().min(0).default(6),
});

const repositoryName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}$/, "expected a short name of lower case letters, digits and -");

/** A further repository: another disk or mount, another server, or an S3-compatible store. */
const offSiteRepository = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ name: repositoryName, type: z.literal("directory"), path: absolutePath }),
    z.strictObject({
      name: repositoryName,
      type: z.literal("sftp"),
      host: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9.:-]*$/, "expected a host name or an address"),
      port: port.default(22),
      user: z.string().regex(/^[a-z_][a-z0-9_-]*$/, "expected a user name"),
      path: absolutePath,
      hostKey: hostKey,
    }),
    z.strictObject({
      name: repositoryName,
      type: z.literal("s3"),
      endpoint: z.url({ protocol: /^https?$/, error: "expected http://… or https://…" }),
      bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,62}$/, "expected a bucket name"),
      prefix: z
        .string()
        .regex(/^[a-zA-Z0-9._/-]+$/, "expected a path in the bucket")
        .default("im-suite"),
      /** The account there may add but not delete: the server removes nothing of what is too old. */
      appendOnly: z.boolean().default(false),
    }),
  ],
  { error: "expected type: directory, sftp or s3" },
);

export const backup = z.strictObject({
  enabled: z.boolean().default(true),
  time: timeOfDay.default("02:00"),
  /** When the nightly restore test begins; it waits for a backup that still runs. */
  restoreTestTime: timeOfDay.default("04:00"),
  timeZone: z.string().refine(isTimeZone, "expected a time zone such as Asia/Shanghai or UTC").default("Asia/Shanghai"),
  /** Spreads the load of several servers on one off-site repository. */
  randomDelayMinutes: z.number().int().min(0).max(240).default(0),
  keep: retention.prefault({}),
  /** How often MySQL's binary logs are copied: at most so much is lost with the server, and so fresh is a restore to a moment. */
  binaryLogMinutes: z.number().int().min(1).max(60).default(5),
  /** Over how many days MySQL can be restored to any moment. Default: keep.daily. */
  pointInTimeDays: z.number().int().min(1).max(366).optional(),
  /** Share of the processors for the programs and, once more, for the throw-away containers. */
  cpus: z.number().min(0.1).max(16).default(0.5),
  memoryMiB: z.number().int().min(512).default(1024),
  offSite: z.array(offSiteRepository).default([]),
});

function isTimeZone(value: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: value });
    return /^[A-Za-z0-9_+/-]+$/.test(value);
  } catch {
    return false;
  }
}

/** By name of the off-site repository. Written with `pulumi config set --secret --path`. */
export const backupCredentials = z.record(
  repositoryName,
  z.strictObject({
    /** sftp: the private key, without a passphrase. */
    privateKey: z.string().includes("PRIVATE KEY", { error: "expected the text of a private ssh key" }).optional(),
    /** s3. */
    accessKey: z.string().min(1).refine(withoutLineBreak, "a key cannot contain a line break or NUL").optional(),
    secretKey: z.string().min(1).refine(withoutLineBreak, "a key cannot contain a line break or NUL").optional(),
  }),
);

export type BackupConfiguration = z.output<typeof backup>;
export type BackupCredentials = z.output<typeof backupCredentials>;
export type OffSiteRepository = z.output<typeof offSiteRepository>;
export type RetentionPolicy = z.output<typeof retention>;
