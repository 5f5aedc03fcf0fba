import { z } from "zod";
import { address } from "./addresses.ts";
import { hostKey, port } from "./schema-values.ts";

/** One server as ssh reaches it. Changing any of these re-runs every idempotent script on that server. */
export const server = z.strictObject({
  address,
  sshPort: port.default(22),
  /** The bootstrap, docker over ssh and the units need root; sudo is not used. */
  user: z.literal("root", { error: "only root is supported" }).default("root"),
  /** A file on this machine, without a passphrase. `~` is this user's home. */
  privateKeyFile: z
    .string("expected the file of a private ssh key, for example ~/.ssh/im-suite-ha")
    .min(1, "expected the file of a private ssh key, for example ~/.ssh/im-suite-ha"),
  /** The server's public host key, as `ssh-keyscan` prints it without the address. Pinned for both ssh clients. */
  hostKey,
  /** Where the other servers reach it, from stage 2 on. Default: its address. */
  privateAddress: address.optional(),
});

export type ServerConfiguration = z.output<typeof server>;

/** The address that the other servers use. */
export function betweenServers({ address, privateAddress }: ServerConfiguration): string {
  return privateAddress ?? address;
}
