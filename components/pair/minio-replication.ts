import * as pulumi from "@pulumi/pulumi";
import {
  type MinioSites,
  minioPairClientFile,
  renderMinioPairClient,
  renderReplicateMinio,
  renderStopMinioReplication,
} from "../../templates/pair/minio-replication.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";

export interface MinioReplicationArgs {
  /** Server A, from where it is set up. */
  readonly host: Host;
  readonly sites: MinioSites;
  readonly accessKey: pulumi.Input<string>;
  readonly secretKey: pulumi.Input<string>;
}

/** Both MinIOs as sites of one another. Versioning is on for good from then on. */
export class MinioReplication extends pulumi.ComponentResource {
  constructor(name: string, args: MinioReplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:MinioReplication", name, {}, opts);
    const { host, sites } = args;
    const client = new HostFile(
      `${name}-client-file`,
      {
        host,
        path: minioPairClientFile,
        content: pulumi
          .all([args.accessKey, args.secretKey])
          .apply(([accessKey, secretKey]) => renderMinioPairClient(sites.urls, accessKey, secretKey)),
        secret: true,
        directoryMode: "0700",
      },
      { parent: this },
    );
    new HostScript(
      `${name}-joined`,
      {
        host,
        create: renderReplicateMinio(sites),
        delete: renderStopMinioReplication(sites),
        timeoutSeconds: 180,
      },
      { parent: this, dependsOn: client },
    );
    this.registerOutputs({});
  }
}
