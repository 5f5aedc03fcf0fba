import { z } from "zod";

/** Values that more than one part of the configuration has. */

export const port = z
  .number({ error: "expected a port number" })
  .int("expected a whole number")
  .min(1, "expected a port from 1 to 65535")
  .max(65535, "expected a port from 1 to 65535");

export const absolutePath = z
  .string()
  .regex(/^\/[^\0\n]*$/, "expected an absolute path")
  .refine((value) => !value.split("/").includes(".."), "expected a path without ..");

const oneHostKey =
  'expected a public host key such as "ssh-ed25519 AAAA…" (npm run configure fetches it; by hand: ssh-keyscan -t ed25519 ADDRESS, checked by another way)';

export const hostKey = z
  .string(oneHostKey)
  .regex(/^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+={0,2}$/, oneHostKey);

export function withoutLineBreak(value: string): boolean {
  return !/[\r\n\0]/.test(value);
}
