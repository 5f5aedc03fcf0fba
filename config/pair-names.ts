import {
  configurationDirectory,
  credentialsDirectory,
  programDirectory,
  stateDirectory,
  undoDirectory,
} from "./names.ts";

/** Names on the servers of a pair, beside the controller's own (config/failover.ts). */

/** systemd units of ours; each runs a program of the distribution with our configuration. */
export const pairUnits = {
  firewall: "im-firewall.service",
  etcd: "im-etcd.service",
  haproxy: "im-haproxy.service",
  keepalived: "im-keepalived.service",
} as const;

export const pairPaths = {
  firewall: `${configurationDirectory}/firewall/pair.nft`,
  haproxy: `${configurationDirectory}/haproxy/haproxy.cfg`,
  /** Later stages add files here. */
  haproxyAdded: `${configurationDirectory}/haproxy/conf.d`,
  keepalived: `${configurationDirectory}/keepalived/keepalived.conf`,
  leaderCheck: `${programDirectory}/im-leader-check`,
  /** Variables and plugins of MySQL as they were before stage 2. */
  mysqlUndo: `${undoDirectory}/mysql-pair`,
  /** Server B's mark that its MySQL belongs to a pair of ours: a later `up` may take it in again. */
  memberMark: `${stateDirectory}/pair-member`,
  nonlocalBind: "/etc/sysctl.d/60-im-suite.conf",
} as const;

export const etcdPaths = {
  environment: `${configurationDirectory}/etcd/etcd.env`,
  certificateAuthority: `${configurationDirectory}/etcd/ca.crt`,
  certificate: `${configurationDirectory}/etcd/member.crt`,
  key: `${configurationDirectory}/etcd/member.key`,
  data: `${stateDirectory}/etcd`,
  /** Names the members that a new one joins. Without it a member that lost its data does not start: it would found a second cluster. */
  invitation: `${configurationDirectory}/etcd/invitation.env`,
  /** The first member founded the cluster: if its data is gone, it must not do so again. */
  founded: `${configurationDirectory}/etcd/founded`,
  rootPassword: `${credentialsDirectory}/etcd-root-password`,
} as const;

export type PairServer = "a" | "b";
export type EtcdMemberName = PairServer | "witness";

/** The table of nftables that holds our allow-list. */
export const firewallTable = "im_suite_pair";
