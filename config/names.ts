/**
 * Names on the servers, in one place. They are a contract (docs/architecture.md): runbooks, later stages and the
 * operator's own scripts rely on them.
 */

/** Our configuration. Scripts and credentials too: a server's backup of /etc must be enough to understand it. */
export const configurationDirectory = "/etc/im-suite";
/** Files that hold a secret, mode 0600 or stricter. */
export const credentialsDirectory = `${configurationDirectory}/credentials`;
/** State: data of a created suite, metrics, undo records, create-once secrets. */
export const stateDirectory = "/var/lib/im-suite";
/** Scripts that units and operators run. */
export const programDirectory = `${stateDirectory}/bin`;
/** Data of a suite that we created: plain directories that Pulumi does not own, so no replace and no destroy can remove them. */
export const dataDirectory = `${stateDirectory}/data`;
/** Secrets that are made once and outlive a destroy and a lost Pulumi state: root passwords, the backup key. */
export const createOnceDirectory = `${stateDirectory}/secrets`;
/** Create-once files of a created suite and of the backups, by what `im:rotation` calls them. */
export const createOnceFiles = {
  mysql: { root: "mysql-root-password", application: "mysql-application-password" },
  redis: { password: "redis-password" },
  minio: { root: "minio-secret-key", application: "minio-application-secret-key" },
  grafana: { admin: "grafana-admin-password" },
  backupKey: { key: "backup-key" },
} as const;
/** What was there before us, kept so that a destroy can put it back. */
export const undoDirectory = `${stateDirectory}/undo`;
/** Hashes of the files that were written and whose reload succeeded. */
export const appliedDirectory = `${stateDirectory}/applied`;
/** Files that node_exporter's textfile collector reads. */
export const textfileDirectory = `${stateDirectory}/metrics`;

/** Staging, the local repository, reports, fingerprints of restored copies. A destroy leaves it: it holds the backups. */
export const backupDirectory = `${stateDirectory}/backup`;
/** State and configuration of the Pulumi stacks, secrets encrypted. Beside the backups, so a destroy leaves it as it leaves them. */
export const pulumiStateDirectory = `${backupDirectory}/pulumi-state`;
/** Copies of MySQL's binary logs, one folder for each server_uuid. */
export const binaryLogDirectory = `${backupDirectory}/binary-logs`;
/** The roadmap's name. */
export const backupLog = "/var/log/im-backup.log";
/** Create-once file that opens every backup repository. */
export const backupKeyFile = createOnceFiles.backupKey.key;
/** How the repositories are reached: one folder each. */
export const repositoriesDirectory = `${configurationDirectory}/backup/repositories`;

/** The roadmap's name; see the contract. */
export const healthCheckLog = "/var/log/health-check.log";

/** Containers of an adopted suite, as the roadmap names them. */
export const adoptedContainers = {
  mysql: "im-mysql-prod",
  redis: "im-redis-prod",
  minio: "im-minio-prod",
  backend: "im-backend-prod",
  admin: "im-admin-prod",
  prometheus: "im-prometheus-prod",
  grafana: "im-grafana-prod",
} as const;

/** Containers of a suite that we create. */
export const createdContainers = {
  mysql: "im-mysql",
  redis: "im-redis",
  minio: "im-minio",
  backend: "im-backend",
  admin: "im-admin",
  prometheus: "im-prometheus",
  grafana: "im-grafana",
} as const;

export type SuiteService = keyof typeof adoptedContainers;
export const suiteServices = Object.keys(adoptedContainers) as SuiteService[];

/** Containers that we add to an adopted or a created suite. */
export const exporterContainers = {
  nodeExporter: "im-node-exporter",
  mysqldExporter: "im-mysqld-exporter",
  redisExporter: "im-redis-exporter",
  blackboxExporter: "im-blackbox-exporter",
} as const;

/** Our own monitoring: beside an adopted suite's Prometheus; on a created suite it is the suite's. */
export const monitoringContainers = { prometheus: "im-prometheus", alertmanager: "im-alertmanager" } as const;

/** Measurements and silences of ours. A destroy removes them: they are not the suite's data. */
export const monitoringDirectory = `${stateDirectory}/monitoring`;

/** The network of a created suite. */
export const createdNetwork = "im-suite";

/** MySQL accounts that we create. All begin with im_. */
export const mysqlAccounts = {
  exporter: "im_exporter",
  health: "im_health",
  /** Counts users and messages. */
  growth: "im_growth",
  /** The application's account in a created suite. */
  application: "im_app",
} as const;

/** Who reads MinIO's metrics, and the policy that allows just that. */
export const minioMetricsAccount = { user: "im_metrics", policy: "im-metrics" } as const;

/**
 * Tokens that Prometheus shows to what it watches, readable by it alone. Below its configuration and not a mount of its own: a folder whose
 * last file is replaced goes and comes, and a mount would hold on to the one that is gone.
 */
export const prometheusSecrets = {
  onServer: `${configurationDirectory}/prometheus/secrets`,
  inContainer: "/etc/prometheus/secrets",
} as const;

/** Prometheus holds on to a token once it has read it: another token is another file, which changes the configuration and is read. */
export const minioTokenFile = (generation: number) => (generation === 1 ? "minio-token" : `minio-token-${generation}`);
/** MinIO's user of the application in a created suite: with a hyphen and its generation, im-app-1. */
export const minioApplicationUser = "im-app";

/** Label on every container of ours: which stage owns it. */
export const stageLabel = "im-suite.stage";
