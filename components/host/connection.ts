import type { types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { ServerConfiguration } from "../../config/schema.ts";
import { readPrivateKey } from "../../lib/ssh.ts";

/**
 * The connection of every remote command to one server. Built here only: an unknown extra field on a connection once printed
 * the private key, and every change of a field re-runs every script on that server, so it holds stable fields alone.
 */
export function connectionTo(server: ServerConfiguration, configPath: string): types.input.remote.ConnectionArgs {
  return {
    host: server.address,
    port: server.sshPort,
    user: server.user,
    privateKey: pulumi.secret(readPrivateKey(server.privateKeyFile, `${configPath}.privateKeyFile`)),
    hostKey: server.hostKey,
    dialErrorLimit: 5,
    perDialTimeout: 15,
  };
}
