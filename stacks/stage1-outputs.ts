import * as pulumi from "@pulumi/pulumi";
import type { SuiteEndpoints } from "../components/app/suite-endpoints.ts";
import type { Backup } from "../components/backup/backup.ts";
import type { Growth } from "../components/growth/growth.ts";
import type { Host } from "../components/host/host.ts";
import type { RotationEnds } from "../components/host/rotation-end.ts";
import type { MysqlAccounts } from "../components/mysql/mysql-accounts.ts";
import { type MonthlyCost, monthlyCost } from "../config/costs.ts";
import { type Foundation, foundationOf } from "../config/foundation.ts";
import {
  formatMeasured,
  growthDatabase,
  growthTriggers,
  type MeasuredGrowth,
  reachedTriggers,
} from "../config/growth.ts";
import { backupLog, healthCheckLog } from "../config/names.ts";
import { hasPrometheus } from "../config/own-prometheus.ts";
import { ownPorts } from "../config/ports.ts";
import type { RotationKind } from "../config/rotation.ts";
import type { Configuration, ServerConfiguration } from "../config/schema.ts";
import { hostPort } from "../lib/host-port.ts";
import type { SuiteCredentials } from "./stage1.ts";
import { version } from "./version.ts";

/** The outputs that every stage has; a contract, see docs/architecture.md. */
export interface StackOutputs {
  readonly servers: Readonly<Record<string, string>>;
  readonly endpoints: Readonly<Record<string, string>>;
  readonly credentials: pulumi.Output<unknown>;
  /** From stage 2 on. */
  readonly virtualIp: string | null;
  readonly monthlyCost: MonthlyCost;
  readonly moveOn: MoveOn;
  readonly nextSteps: readonly string[];
  /** What `doctor` looks for on each server. */
  readonly inventory: Readonly<Record<string, pulumi.Output<unknown>>>;
  /** Which generation of each password and key is in use, the older ones refused: what `npm run rotate` counts from. */
  readonly rotation: Readonly<Partial<Record<RotationKind, pulumi.Output<number>>>>;
  /** What the next stage reads: this one's configuration without secrets. */
  readonly foundation: Foundation;
  readonly version: string;
}

/** Whether the next stage is due, as the last run found it. Constant until it is: a preview must not differ by a user more. */
export interface MoveOn {
  readonly stage2IsDue: boolean;
  /** The triggers that are reached, with the measured values. */
  readonly because: readonly string[];
  readonly monthlyCosts: Readonly<Record<"stage1" | "stage2" | "stage3", MonthlyCost>>;
}

export interface Stage1OutputsArgs {
  readonly configuration: Configuration;
  readonly server: ServerConfiguration;
  readonly host: Host;
  readonly endpoints: SuiteEndpoints;
  readonly credentials: SuiteCredentials;
  readonly accounts: MysqlAccounts;
  readonly growth: Growth | undefined;
  readonly backup: Backup | undefined;
  readonly measured: MeasuredGrowth;
  readonly rotationEnds: RotationEnds;
}

export function stage1Outputs(args: Stage1OutputsArgs): StackOutputs {
  const { configuration, server, host, credentials, accounts, growth, backup } = args;
  const moveOn = judgeGrowth(configuration, args.measured);
  return {
    servers: { a: server.address },
    endpoints: publicEndpoints(configuration, server.address, args.endpoints),
    credentials: pulumi.secret({
      mysql: {
        root: credentials.mysqlRootPassword,
        ...(credentials.mysqlApplicationPassword === undefined
          ? {}
          : { application: credentials.mysqlApplicationPassword }),
        exporter: accounts.exporterPassword,
        health: accounts.healthPassword,
        ...(growth === undefined ? {} : { growth: growth.password }),
      },
      redis: { password: credentials.redisPassword },
      minio: {
        accessKey: credentials.minioAccessKey,
        secretKey: credentials.minioSecretKey,
        ...(credentials.minioApplication === undefined ? {} : { application: credentials.minioApplication }),
      },
      ...(credentials.grafanaAdminPassword === undefined
        ? {}
        : { grafana: { admin: credentials.grafanaAdminPassword } }),
      ...(backup === undefined ? {} : { backup: { key: backup.key } }),
    }),
    virtualIp: null,
    monthlyCost: monthlyCost(1, configuration.costs),
    moveOn,
    nextSteps: nextSteps(configuration, server, moveOn),
    inventory: { a: host.inventory.toOutput() },
    rotation: args.rotationEnds.generations,
    foundation: foundationOf(configuration),
    version,
  };
}

/** Addresses as the operator types them. What listens on the loopback says so by its address. */
function publicEndpoints(
  configuration: Configuration,
  address: string,
  endpoints: SuiteEndpoints,
): Record<string, string> {
  const listen = configuration.monitoring.listenAddress;
  const isPublic = (service: string) =>
    configuration.suite.mode === "adopt" || service === "backend" || service === "admin";
  const http = new Set(["backend", "admin", "minio", "prometheus", "grafana"]);
  const suite = Object.entries(endpoints).map(([service, endpoint]) => {
    const at = `${isPublic(service) ? address : "127.0.0.1"}:${endpoint?.port}`;
    return [service, http.has(service) ? `http://${at}` : at] as const;
  });
  return {
    ...Object.fromEntries(suite),
    nodeExporter: `http://${listen}:${ownPorts.nodeExporter}/metrics`,
    mysqldExporter: `http://${listen}:${ownPorts.mysqldExporter}/metrics`,
    redisExporter: `http://${listen}:${ownPorts.redisExporter}/metrics`,
    blackboxExporter: `http://${listen}:${ownPorts.blackboxExporter}/metrics`,
    ...(hasPrometheus(configuration) ? { alertmanager: `http://${hostPort(listen, ownPorts.alertmanager)}` } : {}),
    // The suite's own keeps the key `prometheus`: what an operator has bookmarked must not change its meaning.
    ...(configuration.suite.mode === "adopt"
      ? { ownPrometheus: `http://${hostPort(listen, ownPorts.prometheus)}` }
      : {}),
  };
}

/** Whether an alert is sent to anybody. */
function reachesPeople({ alerts, alertCredentials: to }: Configuration): boolean {
  const robots = [to.wecomRobotUrl, to.dingtalkRobotUrl, to.feishuRobotUrl];
  return alerts.mail !== undefined || Object.keys(to.webhooks).length > 0 || robots.some((url) => url !== undefined);
}

/** What the server measured, judged by the roadmap's triggers. */
function judgeGrowth({ costs }: Configuration, measured: MeasuredGrowth): MoveOn {
  const because = reachedTriggers(measured).map((name) => {
    const { english, chinese, above, unit } = growthTriggers[name];
    return `${english} (${chinese}): ${formatMeasured(name, measured[name] ?? 0)}, above ${above}${unit}`;
  });
  return {
    stage2IsDue: because.length > 0,
    because,
    monthlyCosts: { stage1: monthlyCost(1, costs), stage2: monthlyCost(2, costs), stage3: monthlyCost(3, costs) },
  };
}

function nextSteps(configuration: Configuration, server: ServerConfiguration, moveOn: MoveOn): string[] {
  const { suite, growth } = configuration;
  return [
    ...(moveOn.stage2IsDue
      ? [`Stage 2 is due (${moveOn.because.join("; ")}). What it costs: npm run move-on -- -s stage1`]
      : []),
    ...(growth.enabled && growthDatabase(configuration) === undefined
      ? [
          "Users and messages are not counted yet: name the suite's schema, for example pulumi config set --path im:growth.database im_suite (other tables than users and messages: im:growth.tables and im:growth.queries)",
        ]
      : []),
    `Look at the health check: ssh root@${server.address} tail -n 20 ${healthCheckLog}`,
    ...(suite.mode === "adopt"
      ? [
          "Passwords that were published in the roadmap (Replication_Pass_2024!, ZhRedis2024SecurePass!@#) are known to everybody: change them if your suite uses them (docs/runbooks/rotate.md).",
          `The adopted suite publishes its databases as its own compose file says: check ${suite.directory}/docker-compose.yml and your firewall for ports ${suite.ports.mysql}, ${suite.ports.redis} and ${suite.ports.minio}.`,
        ]
      : [
          "Keep the credentials elsewhere too: pulumi stack output credentials --show-secrets",
          "The databases listen on 127.0.0.1 of the server; reach them through ssh -L.",
        ]),
    ...(hasPrometheus(configuration) && !reachesPeople(configuration)
      ? [
          "Alerts reach nobody yet: set im:alerts.mail or a robot, for example pulumi config set --secret --path im:alertCredentials.wecomRobotUrl. Guard a robot of DingTalk or Feishu by the keyword 告警, not by a signature (加签).",
        ]
      : []),
    ...(configuration.backup.enabled
      ? [
          "Keep the key of the backups elsewhere, or they open for nobody after the server is lost: pulumi stack output credentials --show-secrets",
          `Make the first backup now, and prove it: ssh root@${server.address} 'systemctl start im-backup.service && systemctl start im-restore-test.service; tail -n 30 ${backupLog}'`,
          ...(configuration.backup.offSite.length === 0
            ? [
                "The backups lie on the server itself only: add another place under im:backup.offSite (docs/runbooks/off-site.md).",
              ]
            : []),
        ]
      : []),
    "Compare with what was put on the server at any time: npm run doctor -- -s stage1",
  ];
}
