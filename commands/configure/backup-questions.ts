import type { OffSiteRepository } from "../../config/backup-schema.ts";
import { readPrivateKey } from "../../lib/ssh.ts";
import type { Asker, Judgement } from "./ask.ts";
import { judgedBy, problemAt } from "./judgement.ts";
import { fingerprint, type SftpLogin, type StoreLogin } from "./server-checks.ts";

type Plain = Record<string, unknown>;

/** What the file will say about backups. */
export interface BackupAnswers {
  readonly backup: Plain;
  /** im:backupCredentials, in clear, by name of the repository. */
  readonly credentials: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface BackupQuestions {
  readonly ask: Asker;
  readonly tell: (text: string) => void;
  /** What is tried from the server, which makes the backups and must reach the other place. */
  readonly tries: {
    readonly hostKeys: (host: string, port: number) => Promise<readonly string[]>;
    readonly sftp: (login: SftpLogin) => Promise<Judgement>;
    readonly store: (store: StoreLogin) => Promise<Judgement>;
  };
  readonly backup: Plain;
  readonly credentials: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Asks whether, when and where to. Enter keeps what is configured. */
export async function askBackups(questions: BackupQuestions): Promise<BackupAnswers> {
  const { ask, backup, credentials } = questions;
  const enabled = await ask.confirm({
    key: "backup.enabled",
    message: "Back up every night, encrypted, and prove every backup by restoring it?",
    default: backup["enabled"] !== false,
  });
  if (!enabled) return { backup: { ...backup, enabled }, credentials };
  const check = (key: string, value: unknown) =>
    problemAt(`backup.${key}`, (raw) => Object.assign(raw, { backup: { [key]: value } }));
  const time = await ask.text({
    key: "backup.time",
    message: "At what time:",
    default: textOf(backup["time"]) ?? "02:00",
    check: (answer) => check("time", answer),
  });
  const timeZone = await ask.text({
    key: "backup.timeZone",
    message: "In which time zone:",
    default: textOf(backup["timeZone"]) ?? "Asia/Shanghai",
    check: (answer) => check("timeZone", answer),
  });
  const place = await askOffSite(questions);
  return {
    backup: { ...backup, enabled, time, timeZone, ...place.backup },
    credentials: place.credentials,
  };
}

/** A further place for the backups. One is asked for; whoever has several, or a directory, keeps them as they are. */
async function askOffSite(questions: BackupQuestions): Promise<{
  readonly backup: Plain;
  readonly credentials: BackupAnswers["credentials"];
}> {
  const { ask, backup, credentials } = questions;
  const known = (Array.isArray(backup["offSite"]) ? backup["offSite"] : []) as OffSiteRepository[];
  const [first] = known;
  const keep = known.length > 1 || first?.type === "directory";
  const choice = await ask.choose({
    key: "backup.offSite.type",
    message: "Another place for the backups, because one disk is none:",
    default: keep ? "keep" : ((first?.type as "sftp" | "s3" | undefined) ?? "none"),
    choices: [
      ...(keep ? [{ value: "keep" as const, name: `keep the ${known.length} that are configured` }] : []),
      { value: "sftp" as const, name: "sftp: another server, reached by ssh" },
      { value: "s3" as const, name: "s3: a bucket of an S3-compatible store" },
      { value: "none" as const, name: "none yet" },
    ],
  });
  if (choice === "keep") return { backup: {}, credentials };
  if (choice === "none") return { backup: { offSite: [] }, credentials: {} };
  const name = await ask.text({
    key: "backup.offSite.name",
    message: "A short name of your own for it:",
    default: keep ? undefined : (first?.name ?? "off-site"),
    check: (answer) => checkRepository("name", answer, choice),
  });
  const before = known.find((repository) => repository.name === name);
  const secrets = credentials[name] ?? {};
  const asked =
    choice === "sftp"
      ? await askSftp(questions, name, before?.type === "sftp" ? before : undefined, secrets)
      : await askStore(questions, name, before?.type === "s3" ? before : undefined, secrets);
  return { backup: { offSite: [asked.repository] }, credentials: { [name]: asked.secrets } };
}

const examples = {
  sftp: {
    name: "off-site",
    type: "sftp",
    host: "backup.example.com",
    user: "backup",
    path: "/srv/im-suite",
    hostKey: "ssh-ed25519 AAAA",
  },
  s3: { name: "off-site", type: "s3", endpoint: "https://s3.example.com", bucket: "im-backup" },
} as const;

function checkRepository(key: string, value: unknown, type: "sftp" | "s3") {
  return problemAt(`backup.offSite[0].${key}`, (raw) =>
    Object.assign(raw, { backup: { offSite: [{ ...examples[type], [key]: value }] } }),
  );
}

async function askSftp(
  { ask, tell, tries }: BackupQuestions,
  name: string,
  known: Extract<OffSiteRepository, { type: "sftp" }> | undefined,
  secrets: Readonly<Record<string, string>>,
) {
  const text = async (key: "host" | "user" | "path", message: string, standard: string | undefined) =>
    await ask.text({
      key: `backup.offSite.${key}`,
      message,
      default: known?.[key] ?? standard,
      check: (answer) => checkRepository(key, answer, "sftp"),
    });
  const host = await text("host", "Its address or name:", undefined);
  let hostKeys: readonly string[] = [];
  const port = Number(
    await ask.text({
      key: "backup.offSite.port",
      message: "Its ssh port:",
      default: String(known?.port ?? 22),
      check: async (answer) => {
        const problem = checkRepository("port", Number(answer), "sftp");
        if (problem !== true) return problem;
        return await judgedBy(async () => {
          hostKeys = await tries.hostKeys(host, Number(answer));
          return hostKeys.length > 0
            ? true
            : `the server finds no ssh server at ${host}, port ${answer}: check name, port and firewalls`;
        });
      },
    }),
  );
  const hostKey =
    known !== undefined && hostKeys.includes(known.hostKey)
      ? known.hostKey
      : await askRepositoryKey(ask, tell, host, hostKeys);
  const user = await text("user", "Login there:", undefined);
  const path = await text("path", "Folder there for the backups:", "/srv/im-suite");
  let privateKey = secrets["privateKey"] ?? "";
  await ask.text({
    key: `backupCredentials.${name}.privateKeyFile`,
    message:
      privateKey === ""
        ? "Private ssh key for that login (a file on this machine, without a passphrase):"
        : "Private ssh key for that login (a file on this machine; Enter keeps the one that is configured):",
    default: privateKey === "" ? undefined : "",
    check: async (answer) =>
      await judgedBy(async () => {
        const key = answer === "" ? (secrets["privateKey"] ?? "") : readPrivateKey(answer, "the private key");
        if (key === "") return "expected the file of a private ssh key, for example ~/.ssh/im-backup";
        privateKey = key;
        return await tries.sftp({ host, port, user, path, hostKey, privateKey: key });
      }),
  });
  const repository = { name, type: "sftp" as const, host, ...(port === 22 ? {} : { port }), user, path, hostKey };
  return { repository, secrets: { privateKey } };
}

/** Pinned only after a person has compared it, or when an answers file names the fingerprint. */
async function askRepositoryKey(
  ask: Asker,
  tell: (text: string) => void,
  host: string,
  hostKeys: readonly string[],
): Promise<string> {
  const hostKey = hostKeys[0] ?? "";
  tell(`${host} shows this host key:\n  ${fingerprint(hostKey)}  (${hostKey.split(" ")[0]})`);
  await ask.text({
    key: "backup.offSite.hostKey",
    message:
      "Compare it on that server (ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub). Type yes, or paste its fingerprint:",
    check: (answer) => {
      if (answer === fingerprint(hostKey) || answer === hostKey || (ask.isPerson && answer === "yes")) return true;
      return ask.isPerson
        ? 'expected "yes" or the same fingerprint; Ctrl-C leaves everything as it was'
        : "expected the fingerprint that the server's console shows";
    },
  });
  return hostKey;
}

async function askStore(
  { ask, tries }: BackupQuestions,
  name: string,
  known: Extract<OffSiteRepository, { type: "s3" }> | undefined,
  secrets: Readonly<Record<string, string>>,
) {
  const text = async (key: "endpoint" | "bucket" | "prefix", message: string, standard: string | undefined) =>
    await ask.text({
      key: `backup.offSite.${key}`,
      message,
      default: known?.[key] ?? standard,
      check: (answer) => checkRepository(key, answer, "s3"),
    });
  const endpoint = await text("endpoint", "Its endpoint (https://…):", undefined);
  const bucket = await text("bucket", "Bucket (made before, private):", undefined);
  const prefix = await text("prefix", "Folder in the bucket:", "im-suite");
  const accessKey = await ask.secret({
    key: `backupCredentials.${name}.accessKey`,
    message: "Access key:",
    current: secrets["accessKey"],
    check: (answer) => (answer === "" ? "expected an access key" : true),
  });
  const secretKey = await ask.secret({
    key: `backupCredentials.${name}.secretKey`,
    message: "Secret key:",
    current: secrets["secretKey"],
    check: async (answer) =>
      answer === ""
        ? "expected a secret key"
        : await judgedBy(() => tries.store({ endpoint, bucket, accessKey, secretKey: answer })),
  });
  const repository = { name, type: "s3" as const, endpoint, bucket, ...(prefix === "im-suite" ? {} : { prefix }) };
  return { repository, secrets: { accessKey, secretKey } };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
