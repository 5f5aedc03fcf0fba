import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import {
  configurationDirectory,
  createdContainers,
  createOnceFiles,
  minioApplicationUser,
} from "../../config/names.ts";
import {
  type MinioKeysScript,
  renderAcceptMinioApplication,
  renderApplyMinioRoot,
  renderEndMinioRotation,
} from "../../templates/rotation/minio-keys.ts";
import { CreateOnceSecret } from "../host/create-once-secret.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { ManagedContainer } from "../host/managed-container.ts";
import { acceptedSecret, type RotationEnd } from "../host/rotation-end.ts";

export interface MinioServerArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: string;
  readonly network: docker.Network;
  /** Ports on 127.0.0.1 of the server. */
  readonly port: number;
  readonly consolePort: number;
  readonly memoryMiB: number;
  readonly protect: boolean;
  /** im:rotation.minio. Raised, the application gets a new user, and root a new key, for which MinIO restarts (a second or two). */
  readonly generation: number;
}

/** The MinIO of a created suite; objects in a host directory. */
export class MinioServer extends pulumi.ComponentResource {
  /** Root: for backups and for people. */
  readonly accessKey = "im-suite";
  readonly secretKey: pulumi.Output<string>;
  /** The application's own user: reads and writes objects, and nothing else. */
  readonly applicationAccessKey: string;
  readonly applicationSecretKey: pulumi.Output<string>;
  readonly rotationEnd: RotationEnd;

  constructor(name: string, args: MinioServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:minio:MinioServer", name, {}, opts);
    const { host, generation } = args;
    const secret = (part: string, fileName: string) =>
      new CreateOnceSecret(`${name}-${part}`, { host, fileName, length: 32, generation }, { parent: this });
    const keys: MinioKeysScript = {
      container: createdContainers.minio,
      rootUser: this.accessKey,
      rootFileName: createOnceFiles.minio.root,
      applicationUser: minioApplicationUser,
      applicationFileName: createOnceFiles.minio.application,
      generation,
    };
    const secretKey = secret("secret-key", keys.rootFileName);
    const applicationSecretKey = secret("application-secret-key", keys.applicationFileName);
    this.applicationAccessKey = `${keys.applicationUser}-${generation}`;
    const secrets = `${configurationDirectory}/minio-secrets`;
    const file = (part: string, content: pulumi.Input<string>) =>
      new HostFile(
        `${name}-${part}-file`,
        { host, path: `${secrets}/${part}`, content, secret: true, directoryMode: "0700" },
        { parent: this },
      );
    const user = file("root-user", this.accessKey);
    const password = file("root-password", secretKey.value);
    const data = new DataDirectory(`${name}-data`, { host, service: "minio", owner: "0:0" }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.minio,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        ports: [
          { address: "127.0.0.1", host: args.port, container: 9000 },
          { address: "127.0.0.1", host: args.consolePort, container: 9001 },
        ],
        command: ["server", "/data", "--console-address", ":9001"],
        environment: {
          MINIO_ROOT_USER_FILE: "/run/im-suite/root-user",
          MINIO_ROOT_PASSWORD_FILE: "/run/im-suite/root-password",
        },
        mounts: [
          { source: data.path, target: "/data", readOnly: false },
          { source: secrets, target: "/run/im-suite", readOnly: true },
        ],
        memoryMiB: args.memoryMiB,
        health: {
          test: ["sh", "-c", "curl -fsS http://127.0.0.1:9000/minio/health/live || mc ready local"],
          intervalSeconds: 10,
          retries: 3,
          startPeriodSeconds: 60,
        },
        stopGraceSeconds: 30,
        // Not the password: a new one is brought in by a restart of this container, not by its replacement.
        configurationHashes: [user.sha256],
        protect: args.protect,
      },
      { parent: this, dependsOn: [data, user, password] },
    );
    const answers = new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.minio,
        check: `curl --silent --fail --max-time 5 http://127.0.0.1:${args.port}/minio/health/live`,
        timeoutSeconds: 60,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    const rerunWhen = [container.containerId, String(generation)];
    const root = new HostScript(
      `${name}-root-key`,
      { host, create: renderApplyMinioRoot(keys), rerunWhen, timeoutSeconds: 240 },
      { parent: this, dependsOn: [answers, password] },
    );
    this.secretKey = acceptedSecret(secretKey.value, root);
    const application = new HostScript(
      `${name}-application-user`,
      { host, create: renderAcceptMinioApplication(keys), rerunWhen },
      { parent: this, dependsOn: [root, applicationSecretKey] },
    );
    this.applicationSecretKey = acceptedSecret(applicationSecretKey.value, application);
    this.rotationEnd = { kind: "minio", generation, script: renderEndMinioRotation(keys) };
    this.registerOutputs({});
  }
}
