import * as pulumi from "@pulumi/pulumi";
import type { BackupConfiguration, BackupCredentials, OffSiteRepository } from "../../config/backup-schema.ts";
import {
  backupKeyFile,
  backupLog,
  createOnceDirectory,
  credentialsDirectory,
  programDirectory,
  repositoriesDirectory,
  textfileDirectory,
} from "../../config/names.ts";
import { renderBackupProgram } from "../../templates/backup/backup-program.ts";
import { renderBinaryLogProgram } from "../../templates/backup/binary-log-program.ts";
import { renderBinaryLogReader } from "../../templates/backup/binary-log-reader.ts";
import type { BackupPlan } from "../../templates/backup/plan.ts";
import {
  localRepository,
  renderKnownHosts,
  renderMinioClientConfig,
  renderRepositoryEnvironment,
} from "../../templates/backup/repositories.ts";
import { renderRestoreProgram } from "../../templates/backup/restore-program.ts";
import { renderRestoreTestProgram } from "../../templates/backup/restore-test-program.ts";
import { renderBackupService, renderBackupTimer, renderRepeatingTimer } from "../../templates/backup/units.ts";
import { renderRedisAuth } from "../../templates/container-clients.ts";
import { renderLogrotate } from "../../templates/logrotate.ts";
import { renderAcceptBackupKey, renderEndBackupKeyRotation } from "../../templates/rotation/backup-key.ts";
import type { SuiteEndpoints } from "../app/suite-endpoints.ts";
import { CreateOnceSecret } from "../host/create-once-secret.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { acceptedSecret, type RotationEnd } from "../host/rotation-end.ts";
import { SystemdTimer } from "../host/systemd-timer.ts";

export interface BackupArgs {
  readonly host: Host;
  readonly serverAlias: string;
  readonly suite: SuiteEndpoints;
  /** Configuration of the suite itself, beside ours. */
  readonly configurationPaths: readonly string[];
  readonly mysqlRootOptionFile: HostFile;
  readonly redisPassword: pulumi.Input<string>;
  readonly minioAccessKey: pulumi.Input<string>;
  readonly minioSecretKey: pulumi.Input<string>;
  readonly backup: BackupConfiguration;
  readonly credentials: BackupCredentials;
  /** im:rotation.backupKey. Raised, every repository gets a new key. */
  readonly generation: number;
}

/**
 * Backups of the suite on one server: the key, the repositories, the programs and their timers. A destroy removes the
 * programs; the repositories and the key stay.
 */
export class Backup extends pulumi.ComponentResource {
  /** Opens every repository. */
  readonly key: pulumi.Output<string>;
  readonly rotationEnd: RotationEnd;

  constructor(name: string, args: BackupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:backup:Backup", name, {}, opts);
    const { host, suite, backup } = args;
    const key = new CreateOnceSecret(
      `${name}-key`,
      { host, fileName: backupKeyFile, length: 48, generation: args.generation },
      { parent: this },
    );

    const repositories = [localRepository, ...backup.offSite];
    const files: pulumi.Resource[] = [key, args.mysqlRootOptionFile];
    for (const repository of repositories) {
      files.push(...this.#repositoryFiles(name, host, repository, args.credentials[repository.name]));
    }
    const secret = (fileName: string, content: pulumi.Input<string>) => {
      const file = new HostFile(
        `${name}-${fileName.replace(".", "-")}-file`,
        { host, path: `${credentialsDirectory}/${fileName}`, content, secret: true, directoryMode: "0700" },
        { parent: this },
      );
      files.push(file);
      return file.path;
    };
    const plan: BackupPlan = {
      server: args.serverAlias,
      mysql: suite.mysql && { container: suite.mysql.container, optionFile: args.mysqlRootOptionFile.path },
      redis: suite.redis && {
        container: suite.redis.container,
        authFile: secret("backup-redis.auth", pulumi.output(args.redisPassword).apply(renderRedisAuth)),
      },
      minio: suite.minio && {
        container: suite.minio.container,
        clientFile: secret(
          "backup-minio.json",
          pulumi
            .all([args.minioAccessKey, args.minioSecretKey])
            .apply(([accessKey, secretKey]) => renderMinioClientConfig(accessKey, secretKey)),
        ),
      },
      configurationPaths: args.configurationPaths,
      repositories: repositories.map((repository) => repository.name),
      appendOnly: repositories.flatMap((one) => (one.type === "s3" && one.appendOnly ? [one.name] : [])),
      keyFile: `${createOnceDirectory}/${backupKeyFile}`,
      keep: backup.keep,
      pointInTimeDays: backup.pointInTimeDays ?? backup.keep.daily,
      cpus: backup.cpus,
      memoryMiB: backup.memoryMiB,
    };
    // Bounds: a running backup is waited for; each repository may be far away.
    const timeoutSeconds = 900;
    const accepted = new HostScript(
      `${name}-accepts-key`,
      { host, create: renderAcceptBackupKey(plan), rerunWhen: [String(args.generation)], timeoutSeconds },
      { parent: this, dependsOn: files },
    );
    this.key = acceptedSecret(key.value, accepted);
    this.rotationEnd = {
      kind: "backupKey",
      generation: args.generation,
      script: renderEndBackupKeyRotation(plan, args.generation),
      timeoutSeconds,
    };
    const program = (programName: string, content: string, validate = ["bash", "-n"]) =>
      new HostFile(
        `${name}-${programName}-program`,
        { host, path: `${programDirectory}/${programName}`, mode: "0755", content, validate },
        { parent: this, dependsOn: files },
      );
    files.push(program("im-binary-log-reader", renderBinaryLogReader(), ["perl", "-c"]));
    const backupProgram = program("im-backup", renderBackupProgram(plan));
    const testProgram = program("im-restore-test", renderRestoreTestProgram(plan));
    const binaryLogProgram = program("im-binary-log-backup", renderBinaryLogProgram(plan));
    program("im-restore", renderRestoreProgram(plan));

    new HostFile(
      `${name}-log-rotation`,
      {
        host,
        path: "/etc/logrotate.d/im-suite-backup",
        content: renderLogrotate([backupLog]),
        validate: ["logrotate", "--debug"],
      },
      { parent: this },
    );
    const timer = (unitName: string, description: string, file: HostFile, text: string, metrics: string) =>
      new SystemdTimer(
        `${name}-${unitName}`,
        {
          host,
          unitName,
          service: renderBackupService(description, file.path, backup.cpus),
          timer: text,
          writes: [`${textfileDirectory}/${metrics}`, `${textfileDirectory}/${metrics}.partial`],
        },
        { parent: this, dependsOn: file },
      );
    const daily = (unitName: string, time: string) => renderBackupTimer(unitName, time, backup);
    timer("im-backup", "Backup of the IM suite", backupProgram, daily("im-backup", backup.time), "backup.prom");
    timer(
      "im-restore-test",
      "Restore test of the newest backup of the IM suite",
      testProgram,
      daily("im-restore-test", backup.restoreTestTime),
      "restore-test.prom",
    );
    timer(
      "im-binary-log-backup",
      "Copies of MySQL's binary logs",
      binaryLogProgram,
      renderRepeatingTimer("im-binary-log-backup", backup.binaryLogMinutes),
      "binary-logs.prom",
    );
    this.registerOutputs({});
  }

  #repositoryFiles(
    name: string,
    host: Host,
    repository: OffSiteRepository,
    credentials: BackupCredentials[string] | undefined,
  ): HostFile[] {
    const folder = `${repositoriesDirectory}/${repository.name}`;
    const file = (fileName: string, content: string, secret: boolean) =>
      new HostFile(
        `${name}-${repository.name}-${fileName}-file`,
        { host, path: `${folder}/${fileName}`, content, secret, directoryMode: "0700" },
        { parent: this },
      );
    return [
      file("environment", renderRepositoryEnvironment(repository, credentials), true),
      ...(repository.type === "sftp"
        ? [
            file("ssh-key", `${(credentials?.privateKey ?? "").trimEnd()}\n`, true),
            file("known-hosts", renderKnownHosts(repository), false),
          ]
        : []),
    ];
  }
}
