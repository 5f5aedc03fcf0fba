import * as pulumi from "@pulumi/pulumi";
import { adoptedEndpoints } from "../components/app/adopted-suite.ts";
import { CreatedSuite, createdEndpoints, protectedServices } from "../components/app/created-suite.ts";
import type { SuiteEndpoints } from "../components/app/suite-endpoints.ts";
import { Backup } from "../components/backup/backup.ts";
import { Growth } from "../components/growth/growth.ts";
import { HealthCheck } from "../components/health-check/health-check.ts";
import { DestroyGuard } from "../components/host/destroy-guard.ts";
import { Host } from "../components/host/host.ts";
import { RotationEnds } from "../components/host/rotation-end.ts";
import { MinioMetrics } from "../components/minio/minio-metrics.ts";
import { ContainerMetrics } from "../components/monitoring/container-metrics.ts";
import { Exporters } from "../components/monitoring/exporters.ts";
import { alertingOn, watching } from "../components/monitoring/stage1-alerting.ts";
import { MysqlAccounts } from "../components/mysql/mysql-accounts.ts";
import { MysqlRootLogin } from "../components/mysql/mysql-root-login.ts";
import { growthDatabase, type MeasuredGrowth } from "../config/growth.ts";
import { imageReference } from "../config/images.ts";
import { configurationDirectory, createOnceDirectory, pulumiStateDirectory } from "../config/names.ts";
import { hasPrometheus } from "../config/own-prometheus.ts";
import type { AdoptedCredentials, Configuration, ServerConfiguration } from "../config/schema.ts";
import { type StackOutputs, stage1Outputs } from "./stage1-outputs.ts";

/**
 * Stage 1: server a, with the suite adopted as it runs or created, watched by a health check and exporters.
 * @param measured what the server's Prometheus knew before this run: it is told in the outputs, and shapes no resource.
 */
export function stage1(configuration: Configuration, measured: MeasuredGrowth = {}): StackOutputs {
  const { suite, rotation } = configuration;
  const server = configuration.servers.a as ServerConfiguration;
  const stage = 1;
  const image = (key: Parameters<typeof imageReference>[1]) => imageReference(configuration.images, key);
  const listenAddress = configuration.monitoring.listenAddress;

  const host = new Host("a", {
    server,
    configPath: "im:servers.a",
    bootstrap: {
      installDocker: suite.mode === "create",
      backup: configuration.backup.enabled,
      aptMirror: configuration.mirrors.apt,
      registryMirrors: configuration.mirrors.docker,
      timeServers: configuration.timeServers,
    },
  });

  const endpoints: SuiteEndpoints = suite.mode === "create" ? createdEndpoints(suite) : adoptedEndpoints(suite);
  const watch = watching(configuration, endpoints);
  const created =
    suite.mode === "create"
      ? new CreatedSuite("a-suite", { host, stage, serverAlias: "a", suite, image, listenAddress, rotation, ...watch })
      : undefined;
  const credentials = suiteCredentials(created, configuration.adoptedCredentials);
  const afterSuite = created === undefined ? {} : { dependsOn: created };

  const rootLogin = new MysqlRootLogin(
    "a-mysql-root-login",
    { host, password: credentials.mysqlRootPassword },
    afterSuite,
  );
  const accounts = new MysqlAccounts(
    "a-mysql-monitoring",
    {
      host,
      container: endpoints.mysql?.container ?? "",
      rootOptionFile: rootLogin.optionFile,
      generation: rotation.monitoring,
      ...(created === undefined ? {} : { rerunWhen: [created.mysql.containerId] }),
    },
    afterSuite,
  );
  const exporters = new Exporters(
    "a-exporters",
    {
      host,
      stage,
      suite: endpoints,
      image,
      listenAddress,
      mysqlPassword: accounts.exporterPassword,
      redisPassword: credentials.redisPassword,
    },
    afterSuite,
  );
  const containerMetrics = new ContainerMetrics("a-container-metrics", { host, suite: endpoints }, afterSuite);
  const healthCheck = new HealthCheck(
    "a-health-check",
    {
      host,
      suite: endpoints,
      mysqlPassword: accounts.healthPassword,
      redisPassword: credentials.redisPassword,
      ...configuration.healthCheck,
    },
    afterSuite,
  );

  const readsMinio = configuration.monitoring.minioMetrics && hasPrometheus(configuration);
  const minioMetrics =
    readsMinio && endpoints.minio !== undefined
      ? new MinioMetrics(
          "a-minio-metrics",
          {
            host,
            minio: endpoints.minio,
            accessKey: credentials.minioAccessKey,
            secretKey: credentials.minioSecretKey,
            generation: rotation.monitoring,
          },
          afterSuite,
        )
      : undefined;
  const database = configuration.growth.enabled ? growthDatabase(configuration) : undefined;
  const growth =
    database === undefined
      ? undefined
      : new Growth(
          "a-growth",
          {
            host,
            container: endpoints.mysql?.container ?? "",
            rootOptionFile: rootLogin.optionFile,
            database,
            growth: configuration.growth,
            generation: rotation.monitoring,
            ...(created === undefined ? {} : { rerunWhen: [created.mysql.containerId] }),
          },
          afterSuite,
        );

  const alerting = alertingOn({
    configuration,
    host,
    stage,
    image,
    endpoints,
    created,
    prometheusNeeds: minioMetrics === undefined ? [] : [minioMetrics],
  });
  const backup = configuration.backup.enabled
    ? new Backup(
        "a-backup",
        {
          host,
          serverAlias: "a",
          suite: endpoints,
          configurationPaths: [
            configurationDirectory,
            createOnceDirectory,
            pulumiStateDirectory,
            ...(suite.mode === "adopt" ? [suite.directory] : []),
          ],
          mysqlRootOptionFile: rootLogin.optionFile,
          redisPassword: credentials.redisPassword,
          minioAccessKey: credentials.minioAccessKey,
          minioSecretKey: credentials.minioSecretKey,
          backup: configuration.backup,
          credentials: configuration.backupCredentials,
          generation: rotation.backupKey,
        },
        afterSuite,
      )
    : undefined;

  const everything = [
    ...[created].filter((one) => one !== undefined),
    rootLogin,
    accounts,
    exporters,
    containerMetrics,
    healthCheck,
    ...alerting,
    ...[minioMetrics, growth, backup].filter((one) => one !== undefined),
  ];
  const rotationEnds = new RotationEnds("a-rotation-end", {
    host,
    ends: [
      ...(created?.rotationEnds ?? []),
      accounts.rotationEnd,
      ...(backup === undefined ? [] : [backup.rotationEnd]),
    ],
    after: everything,
  });

  if (created !== undefined && suite.mode === "create") {
    const isProtected = protectedServices.filter((service) => !suite.allowReplace.includes(service));
    new DestroyGuard("a-destroy-guard", {
      host,
      refusal:
        isProtected.length === 0
          ? undefined
          : `Nothing was destroyed: this suite's ${isProtected.join(", ")} would stop serving. If you mean it: im:suite.allowReplace: [${protectedServices.join(", ")}], pulumi up, then destroy. The data stays in any case.`,
      guards: [...everything, rotationEnds],
    });
  }

  return stage1Outputs({
    configuration,
    server,
    host,
    endpoints,
    credentials,
    accounts,
    growth,
    backup,
    measured,
    rotationEnds,
  });
}

/** The suite's own passwords: generated for a created suite, from config for an adopted one. */
export interface SuiteCredentials {
  readonly mysqlRootPassword: pulumi.Output<string>;
  readonly redisPassword: pulumi.Output<string>;
  readonly minioAccessKey: pulumi.Output<string>;
  readonly minioSecretKey: pulumi.Output<string>;
  readonly mysqlApplicationPassword?: pulumi.Output<string>;
  readonly grafanaAdminPassword?: pulumi.Output<string>;
  /** The application's own MinIO user, in a created suite. */
  readonly minioApplication?: { readonly accessKey: string; readonly secretKey: pulumi.Output<string> };
}

function suiteCredentials(
  created: CreatedSuite | undefined,
  adopted: AdoptedCredentials | undefined,
): SuiteCredentials {
  if (created !== undefined) {
    return {
      mysqlRootPassword: created.mysql.rootPassword,
      mysqlApplicationPassword: created.mysql.applicationPassword,
      redisPassword: created.redis?.password ?? pulumi.secret(""),
      minioAccessKey: pulumi.output(created.minio?.accessKey ?? ""),
      minioSecretKey: created.minio?.secretKey ?? pulumi.secret(""),
      ...(created.minio === undefined
        ? {}
        : {
            minioApplication: {
              accessKey: created.minio.applicationAccessKey,
              secretKey: created.minio.applicationSecretKey,
            },
          }),
      ...(created.grafana === undefined ? {} : { grafanaAdminPassword: created.grafana.adminPassword }),
    };
  }
  // The schema requires them in this mode. Nested secrets of the config come as plain text: marked here, at once.
  const given = adopted as AdoptedCredentials;
  return {
    mysqlRootPassword: pulumi.secret(given.mysqlRootPassword),
    redisPassword: pulumi.secret(given.redisPassword),
    minioAccessKey: pulumi.secret(given.minioAccessKey),
    minioSecretKey: pulumi.secret(given.minioSecretKey),
  };
}
