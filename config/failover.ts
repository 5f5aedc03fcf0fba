import { configurationDirectory, credentialsDirectory, stateDirectory } from "./names.ts";

/** Names of the failover controller on a server, in one place: its own program, keepalived, HAProxy and the stacks read them. */

const failoverConfiguration = `${configurationDirectory}/failover`;

export const failoverPaths = {
  /** What the controller is told. No secrets. */
  configuration: `${failoverConfiguration}/agent.json`,
  /** Our private CA and this server's certificate, for server and client use. */
  certificateAuthority: `${failoverConfiguration}/tls/ca.crt`,
  certificate: `${failoverConfiguration}/tls/server.crt`,
  key: `${failoverConfiguration}/tls/server.key`,
  /** What must survive a power failure: epoch, highest revision, a clone that was begun; binary logs saved before a clone. */
  state: `${stateDirectory}/failover`,
  /** What ends with a reboot, on purpose: lease and deadline. */
  runtime: "/run/im-suite/failover",
  /** CLOCK_BOOTTIME seconds until which this server is the leader. keepalived's check reads it every second. */
  deadline: "/run/im-suite/failover/leader-until",
  /** Events as JSON lines. */
  log: "/var/log/im-failover.log",
  /** The bundled program and its Node. */
  program: `${stateDirectory}/bin/im-failover`,
  /** The command that people type. */
  command: "/usr/local/bin/im-ha",
} as const;

export const failoverUnit = "im-failover.service";

export const failoverPorts = {
  /** The controllers' own, TLS: /primary /replica /health /metrics /status, and the exchange with the peer. */
  controller: 8008,
  /** The same without TLS, on 127.0.0.1 only: HAProxy's checks and im-ha. */
  controllerLocal: 8009,
  /** MySQL and Redis as the peer reaches them, for replication and CLONE. */
  mysqlReplication: 3318,
  redisReplication: 6399,
  etcdClient: 2379,
  etcdPeer: 2380,
} as const;

/** Accounts that the controllers use. The replication password has at most 32 characters: MySQL takes no longer one for a replica. */
export const failoverAccounts = {
  mysql: "im_agent",
  replication: "im_replication",
  etcd: "im-agent",
} as const;

/** One secret each, nothing else in the file; mode 0400. */
export const failoverCredentials = {
  mysql: `${credentialsDirectory}/mysql-agent-password`,
  replication: `${credentialsDirectory}/mysql-replication-password`,
  redis: `${credentialsDirectory}/redis-password`,
  etcd: `${credentialsDirectory}/etcd-agent-password`,
  /** Whoever shows it may change something from another machine. */
  token: `${credentialsDirectory}/failover-token`,
} as const;

/**
 * What the controller's account needs in MySQL, on both servers. Beside looking, opening, closing, replicating and cloning it wakes the
 * events of a promoted server, without becoming their definer: `SET_ANY_DEFINER` from 8.2 on, before that `SET_USER_ID`.
 */
export const failoverPrivileges = {
  static: ["RELOAD", "PROCESS", "REPLICATION CLIENT", "EVENT"],
  dynamic: [
    "BACKUP_ADMIN",
    "CLONE_ADMIN",
    "CONNECTION_ADMIN",
    "REPLICATION_SLAVE_ADMIN",
    "SYSTEM_VARIABLES_ADMIN",
    "SET_ANY_DEFINER",
    // To kill the applier's threads, which MySQL counts as a system user's.
    "SYSTEM_USER",
  ],
  beforeMysql82: { SET_ANY_DEFINER: "SET_USER_ID" },
} as const;
