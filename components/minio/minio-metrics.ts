import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { credentialsDirectory, minioMetricsAccount, minioTokenFile, prometheusSecrets } from "../../config/names.ts";
import { renderMinioClientConfig } from "../../templates/backup/repositories.ts";
import {
  minioMetricsToken,
  renderMinioMetricsAccount,
  renderRemoveMinioMetricsAccount,
} from "../../templates/minio-metrics.ts";
import type { ServiceEndpoint } from "../app/suite-endpoints.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";

export interface MinioMetricsArgs {
  readonly host: Host;
  readonly minio: ServiceEndpoint;
  /** Root's, with which the account is made. */
  readonly accessKey: pulumi.Input<string>;
  readonly secretKey: pulumi.Input<string>;
  /** im:rotation.monitoring. Raised, the account gets a new key and Prometheus a new token: some scrapes are refused meanwhile. */
  readonly generation: number;
}

/** uid:gid of Prometheus in its container. */
const prometheusUser = "65534:65534";

/**
 * Lets Prometheus read MinIO's own metrics: an account in MinIO that may do nothing else, and its token in a file that
 * Prometheus alone reads. Restarts nothing.
 */
export class MinioMetrics extends pulumi.ComponentResource {
  constructor(name: string, args: MinioMetricsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:minio:MinioMetrics", name, {}, opts);
    const { host, minio, generation } = args;
    const clientFile = new HostFile(
      `${name}-root-client-file`,
      {
        host,
        path: `${credentialsDirectory}/minio-root.json`,
        content: pulumi
          .all([args.accessKey, args.secretKey])
          .apply(([accessKey, secretKey]) => renderMinioClientConfig(accessKey, secretKey)),
        secret: true,
        directoryMode: "0700",
      },
      { parent: this },
    );
    const secretKey = new random.RandomPassword(
      `${name}-key`,
      // MinIO takes at most 40 characters. The first generation without keepers, as with MySQL's accounts.
      { length: 40, special: false, ...(generation === 1 ? {} : { keepers: { generation: String(generation) } }) },
      { parent: this },
    ).result;
    const token = pulumi.secret(secretKey.apply((key) => minioMetricsToken(minioMetricsAccount.user, key)));
    const account = new HostScript(
      `${name}-account`,
      {
        host,
        create: renderMinioMetricsAccount(minio.container, clientFile.path, minio.url),
        delete: renderRemoveMinioMetricsAccount(minio.container, clientFile.path),
        stdin: pulumi.interpolate`${secretKey}\n${token}\n`,
      },
      { parent: this, dependsOn: clientFile },
    );
    new HostFile(
      `${name}-token-file`,
      {
        host,
        path: `${prometheusSecrets.onServer}/${minioTokenFile(generation)}`,
        content: token,
        secret: true,
        mode: "0400",
        owner: prometheusUser,
      },
      { parent: this, dependsOn: account },
    );
    this.registerOutputs({});
  }
}
