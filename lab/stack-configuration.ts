import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parse, stringify } from "yaml";
import type { ImageKey } from "../config/images.ts";
import type { AdoptedCredentials } from "../config/schema.ts";
import { ensureLabStack, labConfigurationFile, labPulumi } from "../engine/lab-pulumi.ts";
import { OperatorError } from "../lib/errors.ts";
import { sha256 } from "../lib/hash.ts";
import { cacheDirectory } from "../lib/paths.ts";
import type { LabAlias } from "./addresses.ts";
import type { LabImages } from "./images.ts";
import { serverConnection } from "./servers.ts";

export interface LabStack {
  /** Name of the stack: stage1 for the suite on A; tests use others. */
  readonly stack: string;
  /** The lab server that plays server a. */
  readonly server: LabAlias;
  readonly suite: Readonly<Record<string, unknown>>;
  readonly images: LabImages;
  /** Passwords of an adopted suite. */
  readonly credentials?: AdoptedCredentials;
  /** Further keys of the configuration, without the im: prefix. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/**
 * Writes the lab's configuration of one stack, as an operator would by `npm run configure`: plain values in the file, secrets
 * through `pulumi config set --secret` on its stdin. The stack is made when it is missing.
 */
export async function writeLabConfiguration(lab: LabStack): Promise<void> {
  await ensureLabStack(lab.stack);
  const file = labConfigurationFile(lab.stack);
  const existing: { encryptionsalt?: string; config?: Record<string, unknown> } = existsSync(file)
    ? (parse(readFileSync(file, "utf8")) ?? {})
    : {};
  const stampFile = cacheDirectory("lab", "config", `${lab.stack}.secrets`);
  // The hash of the encrypted values' plain text, salted with the file's own salt: tells a change without holding a secret.
  const stamp = sha256(`${existing.encryptionsalt}${JSON.stringify(lab.credentials ?? null)}`);
  const keep =
    existing.config?.["im:adoptedCredentials"] !== undefined &&
    existsSync(stampFile) &&
    readFileSync(stampFile, "utf8") === stamp;
  const config = {
    "im:stage": 1,
    "im:servers": { a: serverConnection(lab.server) },
    "im:suite": lab.suite,
    "im:images": imageReferences(lab.images),
    ...Object.fromEntries(Object.entries(lab.more ?? {}).map(([key, value]) => [`im:${key}`, value])),
    ...(keep ? { "im:adoptedCredentials": existing.config?.["im:adoptedCredentials"] } : {}),
  };
  writeAtomically(file, stringify({ ...existing, config: withoutUser(config) }));
  if (lab.credentials === undefined || keep) return;
  for (const [key, value] of Object.entries(lab.credentials)) {
    // Without a value on the command line Pulumi reads it from stdin, so no process list shows it.
    const args = ["config", "set", "--secret", "--path", `im:adoptedCredentials.${key}`, "-s", lab.stack];
    const result = await labPulumi(args, { input: value });
    if (result.exitCode !== 0)
      throw new OperatorError(`The lab's configuration could not be written: ${result.stderr.trim()}`);
  }
  const salt = parse(readFileSync(file, "utf8")).encryptionsalt;
  writeFileSync(stampFile, sha256(`${salt}${JSON.stringify(lab.credentials)}`), { mode: 0o600 });
}

/** Images that cannot be had here; the suite leaves these services out. */
export function unavailableImages(images: LabImages): ImageKey[] {
  return (Object.entries(images) as [ImageKey, LabImages[ImageKey]][]).flatMap(([key, image]) =>
    image !== undefined && "unavailable" in image ? [key] : [],
  );
}

function imageReferences(images: LabImages): Record<string, string> {
  return Object.fromEntries(
    Object.entries(images).flatMap(([key, image]) =>
      image !== undefined && "reference" in image ? [[key, image.reference]] : [],
    ),
  );
}

/** `user: root` is the schema's default; an operator would not write it either. */
function withoutUser<T extends { "im:servers": { a: object } }>(config: T): T {
  const { user: _user, ...server } = config["im:servers"].a as { user?: string };
  return { ...config, "im:servers": { a: server } };
}

function writeAtomically(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}
