import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../lib/paths.ts";
import { runChecked } from "../lib/process.ts";
import type { LabAlias } from "./addresses.ts";

/**
 * The lab's keys. They are made once and kept in the cache: a server that `reset` throws away comes back with the same
 * host key, as a rented server that is reinstalled from a backup would, so pinned host keys stay right.
 */
export const keysDirectory = cacheDirectory("lab", "keys");

/** The private key that opens every server of the lab, for root. */
export const labPrivateKeyFile = join(keysDirectory, "id_ed25519");

const hostKeyTypes = ["ed25519", "ecdsa", "rsa"] as const;

/** Makes what is missing. Every file is written under another name first: Ctrl-C leaves no half key. */
export async function ensureKeys(aliases: readonly LabAlias[]): Promise<void> {
  mkdirSync(keysDirectory, { recursive: true, mode: 0o700 });
  await ensureSshKey(labPrivateKeyFile, "ed25519", "im-lab");
  for (const alias of aliases) {
    const directory = hostKeyDirectory(alias);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const type of hostKeyTypes) {
      await ensureSshKey(join(directory, `ssh_host_${type}_key`), type, `root@im-lab-${alias}`);
    }
  }
}

/** The folder with a server's host keys, named as sshd expects them. */
export function hostKeyDirectory(alias: LabAlias): string {
  return join(keysDirectory, `server-${alias}`);
}

/** The public host key to pin: type and base64, without a comment. */
export function pinnedHostKey(alias: LabAlias): string {
  const text = readFileSync(join(hostKeyDirectory(alias), "ssh_host_ed25519_key.pub"), "utf8");
  return text.trim().split(" ").slice(0, 2).join(" ");
}

/** The line for authorized_keys. */
export function labPublicKey(): string {
  return readFileSync(`${labPrivateKeyFile}.pub`, "utf8");
}

async function ensureSshKey(file: string, type: string, comment: string): Promise<void> {
  if (existsSync(file) && existsSync(`${file}.pub`)) return;
  const temporary = `${file}.new`;
  for (const leftover of [temporary, `${temporary}.pub`]) rmSync(leftover, { force: true });
  await runChecked("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", comment, "-f", temporary]);
  renameSync(`${temporary}.pub`, `${file}.pub`);
  renameSync(temporary, file);
}

export interface RegistryCertificate {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Files of the registry's certificate and of the lab's own authority that signed it. Made with openssl, valid ten years. */
export async function ensureRegistryCertificate(address: string): Promise<RegistryCertificate> {
  const directory = join(keysDirectory, "registry");
  const files = {
    authority: join(directory, "ca.crt"),
    certificate: join(directory, "registry.crt"),
    key: join(directory, "registry.key"),
  };
  if (Object.values(files).every(existsSync)) return files;
  const work = join(keysDirectory, "registry.new");
  rmSync(work, { recursive: true, force: true });
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(work, { recursive: true, mode: 0o700 });
  const openssl = async (...args: string[]) => await runChecked("openssl", args, { cwd: work });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "3650", "-subj", "/CN=im-lab");
  await openssl("req", ...key, "-keyout", "registry.key", "-out", "registry.csr", "-subj", `/CN=${address}`);
  // Docker looks at the alternative names only, never at the common name.
  writeFileSync(join(work, "names"), `subjectAltName=IP:${address},IP:127.0.0.1\n`);
  await openssl(
    ...["x509", "-req", "-in", "registry.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"],
    ...["-out", "registry.crt", "-days", "3650", "-extfile", "names"],
  );
  renameSync(work, directory);
  return files;
}
