import { createHash } from "node:crypto";

/** SHA-256 as 64 hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The first 12 digits of the SHA-256: enough to tell two configurations apart in a label or a folder name. */
export function shortHash(content: string | Uint8Array): string {
  return sha256(content).slice(0, 12);
}
