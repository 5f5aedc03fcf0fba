import { etcdPaths, firewallTable, pairPaths } from "../../config/pair-names.ts";
import { renderUnit } from "../systemd.ts";

const source = "templates/pair/units.ts";
const install = { WantedBy: "multi-user.target" };
const afterNetwork = { After: "network-online.target im-firewall.service", Wants: "network-online.target" };

export function renderFirewallUnit(): string {
  return renderUnit(source, {
    Unit: { Description: "Allow-list of the IM suite's pair", Before: "network.target", Wants: "network-pre.target" },
    Service: {
      Type: "oneshot",
      RemainAfterExit: "yes",
      ExecStart: `/usr/sbin/nft -f ${pairPaths.firewall}`,
      ExecReload: `/usr/sbin/nft -f ${pairPaths.firewall}`,
      ExecStop: `/usr/sbin/nft delete table inet ${firewallTable}`,
    },
    Install: install,
  });
}

export function renderHaproxyUnit(): string {
  const files = `-f ${pairPaths.haproxy} -f ${pairPaths.haproxyAdded}`;
  return renderUnit(source, {
    Unit: { Description: "HAProxy of the IM suite's pair", ...afterNetwork },
    Service: {
      Type: "notify",
      RuntimeDirectory: "im-haproxy",
      ExecStartPre: `/usr/sbin/haproxy -c -q ${files}`,
      ExecStart: `/usr/sbin/haproxy -Ws ${files} -p /run/im-haproxy/haproxy.pid`,
      ExecReload: [`/usr/sbin/haproxy -c -q ${files}`, "/bin/kill -USR2 $MAINPID"],
      KillMode: "mixed",
      SuccessExitStatus: 143,
      Restart: "always",
      RestartSec: 1,
      LimitNOFILE: 65_536,
      OOMScoreAdjust: -500,
    },
    Install: install,
  });
}

export function renderKeepalivedUnit(): string {
  return renderUnit(source, {
    Unit: { Description: "Virtual IP of the IM suite's pair", ...afterNetwork },
    Service: {
      Type: "simple",
      RuntimeDirectory: "im-keepalived",
      ExecStart: [
        "/usr/sbin/keepalived --dont-fork --log-console --vrrp",
        `--use-file=${pairPaths.keepalived}`,
        "--pid=/run/im-keepalived/keepalived.pid --vrrp_pid=/run/im-keepalived/vrrp.pid",
      ].join(" "),
      ExecReload: "/bin/kill -HUP $MAINPID",
      KillMode: "mixed",
      Restart: "always",
      RestartSec: 1,
      OOMScoreAdjust: -900,
    },
    Install: install,
  });
}

export function renderEtcdUnit(): string {
  return renderUnit(source, {
    Unit: { Description: "Votes of the IM suite's pair (etcd)", ...afterNetwork },
    Service: {
      Type: "notify",
      User: "etcd",
      EnvironmentFile: [etcdPaths.environment, `-${etcdPaths.invitation}`],
      // Without data and without an invitation it would found a cluster of its own, and vote there.
      ExecStartPre: `/bin/sh -c '[ -d ${etcdPaths.data}/member ] || [ -s ${etcdPaths.invitation} ] || { echo "no data and no invitation: see docs/runbooks/votes.md" >&2; exit 1; }'`,
      ExecStart: "/usr/bin/etcd",
      Restart: "always",
      RestartSec: 2,
      TimeoutStartSec: 60,
      LimitNOFILE: 65_536,
      OOMScoreAdjust: -900,
      // Its writes decide about failovers: before those of a backup.
      IOSchedulingClass: "best-effort",
      IOSchedulingPriority: 0,
      Nice: -5,
    },
    Install: install,
  });
}
