import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, createdContainers, createOnceFiles, mysqlAccounts } from "../../config/names.ts";
import { renderMysqlConfig } from "../../templates/mysql-config.ts";
import {
  type MysqlSecretAccount,
  renderAcceptMysqlPasswords,
  renderEndMysqlRotation,
} from "../../templates/rotation/mysql-passwords.ts";
import { CreateOnceSecret } from "../host/create-once-secret.ts";
import { DataDirectory } from "../host/data-directory.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { ManagedContainer } from "../host/managed-container.ts";
import { acceptedSecret, type RotationEnd } from "../host/rotation-end.ts";

export interface MysqlServerArgs {
  readonly host: Host;
  readonly stage: number;
  readonly image: string;
  readonly network: docker.Network;
  /** Port on 127.0.0.1 of the server. */
  readonly port: number;
  readonly memoryMiB: number;
  readonly database: string;
  /** A replace restarts the database: it is refused unless the operator asked for it. */
  readonly protect: boolean;
  /** im:rotation.mysql. Raised, root and the application get new passwords without a restart of MySQL. */
  readonly generation: number;
}

/** The accounts whose passwords outlive the stack with the data. */
const accounts: readonly MysqlSecretAccount[] = [
  { user: "root", host: "localhost", fileName: createOnceFiles.mysql.root },
  { user: mysqlAccounts.application, host: "%", fileName: createOnceFiles.mysql.application },
];

/** The MySQL of a created suite. Its data lies in a host directory and outlives every container. */
export class MysqlServer extends pulumi.ComponentResource {
  readonly rootPassword: pulumi.Output<string>;
  readonly applicationPassword: pulumi.Output<string>;
  /** Changes with the container: what was set up inside it is looked at again then. */
  readonly containerId: pulumi.Output<string>;
  readonly rotationEnd: RotationEnd;

  constructor(name: string, args: MysqlServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:mysql:MysqlServer", name, {}, opts);
    const { host, generation } = args;
    const secret = (account: keyof typeof createOnceFiles.mysql) =>
      new CreateOnceSecret(
        `${name}-${account}-password`,
        { host, fileName: createOnceFiles.mysql[account], length: 32, generation },
        { parent: this },
      );
    const root = secret("root");
    const application = secret("application");

    const secrets = `${configurationDirectory}/mysql-secrets`;
    const secretFile = (account: string, content: pulumi.Input<string>) =>
      new HostFile(
        `${name}-${account}-password-file`,
        { host, path: `${secrets}/${account}-password`, content, secret: true, directoryMode: "0700" },
        { parent: this },
      );
    const rootFile = secretFile("root", root.value);
    const applicationFile = secretFile("application", application.value);
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: `${configurationDirectory}/mysql/im-suite.cnf`,
        content: renderMysqlConfig({ serverId: 1, memoryMiB: args.memoryMiB }),
      },
      { parent: this },
    );
    const data = new DataDirectory(`${name}-data`, { host, service: "mysql", owner: "999:999" }, { parent: this });
    const container = new ManagedContainer(
      name,
      {
        host,
        containerName: createdContainers.mysql,
        image: args.image,
        stage: args.stage,
        network: [args.network.name],
        ports: [{ address: "127.0.0.1", host: args.port, container: 3306 }],
        environment: {
          MYSQL_ROOT_PASSWORD_FILE: "/run/im-suite/root-password",
          MYSQL_ROOT_HOST: "localhost",
          MYSQL_DATABASE: args.database,
          MYSQL_USER: mysqlAccounts.application,
          MYSQL_PASSWORD_FILE: "/run/im-suite/application-password",
        },
        mounts: [
          { source: data.path, target: "/var/lib/mysql", readOnly: false },
          { source: `${configurationDirectory}/mysql`, target: "/etc/mysql/conf.d", readOnly: true },
          { source: secrets, target: "/run/im-suite", readOnly: true },
        ],
        memoryMiB: args.memoryMiB,
        // `ping` succeeds as soon as the server answers, whatever the login: no password in a health check.
        health: {
          test: ["mysqladmin", "ping", "--host=127.0.0.1", "--silent"],
          intervalSeconds: 10,
          retries: 3,
          startPeriodSeconds: 120,
        },
        // InnoDB writes its pages back on a clean stop; SIGKILL would mean crash recovery at every replace.
        stopGraceSeconds: 120,
        configurationHashes: [configuration.sha256],
        protect: args.protect,
      },
      { parent: this, dependsOn: [data, configuration, rootFile, applicationFile] },
    );
    this.containerId = container.containerId;
    const answers = new HealthGate(
      `${name}-answers`,
      {
        host,
        what: createdContainers.mysql,
        // During its first start the image runs a temporary server without network: TCP inside tells the real one.
        check: `docker exec ${createdContainers.mysql} mysqladmin ping --host=127.0.0.1 --protocol=tcp --silent`,
        timeoutSeconds: 180,
        triggers: [container.containerId],
      },
      { parent: this, dependsOn: container },
    );
    const accepted = new HostScript(
      `${name}-passwords`,
      {
        host,
        create: renderAcceptMysqlPasswords(createdContainers.mysql, accounts),
        rerunWhen: [container.containerId, String(generation)],
      },
      { parent: this, dependsOn: answers },
    );
    this.rootPassword = acceptedSecret(root.value, accepted);
    this.applicationPassword = acceptedSecret(application.value, accepted);
    this.rotationEnd = {
      kind: "mysql",
      generation,
      script: renderEndMysqlRotation(createdContainers.mysql, accounts, generation),
    };
    this.registerOutputs({});
  }
}
