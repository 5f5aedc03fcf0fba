import * as pulumi from "@pulumi/pulumi";
import { credentialsDirectory, healthCheckLog, mysqlAccounts, programDirectory } from "../../config/names.ts";
import { renderRedisAuth } from "../../templates/container-clients.ts";
import {
  healthCheckMetrics,
  renderHealthCheck,
  renderHealthCheckService,
  renderHealthCheckTimer,
} from "../../templates/health-check.ts";
import { renderLogrotate } from "../../templates/logrotate.ts";
import { renderMysqlOptionFile } from "../../templates/mysql-option-file.ts";
import type { SuiteEndpoints } from "../app/suite-endpoints.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { SystemdTimer } from "../host/systemd-timer.ts";

export interface HealthCheckArgs {
  readonly host: Host;
  readonly suite: SuiteEndpoints;
  /** Password of the im_health account. */
  readonly mysqlPassword: pulumi.Input<string>;
  readonly redisPassword: pulumi.Input<string>;
  readonly intervalMinutes: number;
  /** A file system at or above this usage is unhealthy. */
  readonly diskUsagePercent: number;
}

/** The health check on a server: program, credentials of its own, timer, rotated log. */
export class HealthCheck extends pulumi.ComponentResource {
  constructor(name: string, args: HealthCheckArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:healthCheck:HealthCheck", name, {}, opts);
    const { host, suite } = args;
    const program = `${programDirectory}/health-check`;
    const mysqlFile = new HostFile(
      `${name}-mysql-credentials`,
      {
        host,
        path: `${credentialsDirectory}/health-check-mysql.cnf`,
        content: pulumi
          .output(args.mysqlPassword)
          .apply((password) => renderMysqlOptionFile({ user: mysqlAccounts.health, password })),
        secret: true,
        directoryMode: "0700",
      },
      { parent: this },
    );
    const redisFile = new HostFile(
      `${name}-redis-credentials`,
      {
        host,
        path: `${credentialsDirectory}/health-check-redis.auth`,
        content: pulumi.output(args.redisPassword).apply(renderRedisAuth),
        secret: true,
        directoryMode: "0700",
      },
      { parent: this },
    );
    const programFile = new HostFile(
      `${name}-program`,
      {
        host,
        path: program,
        mode: "0755",
        content: renderHealthCheck({
          mysql: suite.mysql && { container: suite.mysql.container, optionFile: mysqlFile.path },
          redis: suite.redis && { container: suite.redis.container, authFile: redisFile.path },
          minioUrl: suite.minio?.url,
          backendUrl: suite.backend?.url,
          adminUrl: suite.admin?.url,
          diskUsagePercent: args.diskUsagePercent,
        }),
        validate: ["bash", "-n"],
      },
      { parent: this, dependsOn: [mysqlFile, redisFile] },
    );
    new HostFile(
      `${name}-log-rotation`,
      {
        host,
        path: "/etc/logrotate.d/im-suite",
        content: renderLogrotate([healthCheckLog]),
        validate: ["logrotate", "--debug"],
      },
      { parent: this },
    );
    new SystemdTimer(
      name,
      {
        host,
        unitName: "im-health-check",
        service: renderHealthCheckService(program, healthCheckLog),
        timer: renderHealthCheckTimer(args.intervalMinutes),
        writes: [healthCheckMetrics, `${healthCheckMetrics}.partial`],
      },
      { parent: this, dependsOn: programFile },
    );
    this.registerOutputs({});
  }
}
