import { remote, type types } from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { ServerConfiguration } from "../../config/schema.ts";
import { remoteCommand } from "../../lib/shell.ts";
import { sshOptions } from "../../lib/ssh.ts";
import { type BootstrapOptions, renderBootstrap, renderDockerReady } from "../../templates/bootstrap.ts";
import { connectionTo } from "./connection.ts";
import { Inventory } from "./inventory.ts";

export interface HostArgs {
  readonly server: ServerConfiguration;
  /** Where the server stands in the configuration: for errors. */
  readonly configPath: string;
  /** What a bare server gets. On an adopted server nothing is installed but what is missing for our own scripts. */
  readonly bootstrap: BootstrapOptions;
}

/** One server: its connection, its bootstrap, and the one docker provider for it. */
export class Host extends pulumi.ComponentResource {
  readonly address: string;
  readonly connection: types.input.remote.ConnectionArgs;
  /** Containers, networks and images of this server are made with this provider. */
  readonly docker: docker.Provider;
  /** Everything on this server waits for it. */
  readonly bootstrapped: pulumi.Resource;
  readonly inventory = new Inventory();

  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:host:Host", name, {}, opts);
    this.address = args.server.address;
    this.connection = connectionTo(args.server, args.configPath);

    this.bootstrapped = new remote.Command(
      `${name}-bootstrap`,
      {
        connection: this.connection,
        create: remoteCommand(renderBootstrap(args.bootstrap), 900),
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      { parent: this },
    );

    // A small command of its own: the docker provider contacts the daemon in a preview as soon as its host is known, so on a
    // bare server the host must stay unknown until Docker runs. Its text never changes with the bootstrap's, or every edit
    // there would make all containers unknown in the preview.
    const dockerReady = new remote.Command(
      `${name}-docker-ready`,
      {
        connection: this.connection,
        create: remoteCommand(renderDockerReady(), 120),
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      { parent: this, dependsOn: this.bootstrapped },
    );

    const { user, address, sshPort } = args.server;
    this.docker = new docker.Provider(
      `${name}-docker`,
      {
        host: dockerReady.id.apply(() => `ssh://${user}@${address}:${sshPort}`),
        sshOpts: [
          ...sshOptions(args.server),
          // Many containers at once would pass sshd's MaxStartups: one connection carries them all.
          ...["-o", "ControlMaster=auto", "-o", "ControlPersist=30", "-o", "ControlPath=/tmp/im-suite-%C"],
        ],
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
