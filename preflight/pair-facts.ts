import { failoverUnit } from "../config/failover.ts";
import { credentialsDirectory } from "../config/names.ts";
import { pairPaths, pairUnits } from "../config/pair-names.ts";
import { quote } from "../lib/shell.ts";
import { mysqlInContainer } from "../templates/container-clients.ts";

/** What only a pair asks of a server. */
export interface PairFacts {
  /** /etc/machine-id: two addresses may lead to one machine. */
  readonly machineId: string;
  readonly addresses: readonly InterfaceAddress[];
  /** Units of ours that run. */
  readonly activeUnits: readonly string[];
  /** Average round trip to the peer; undefined when it does not answer. */
  readonly roundTripMilliseconds: number | undefined;
  /** Whether a router is between this server and its peer. */
  readonly routed: boolean;
  /** Who answers on the virtual IP: a hardware address, "self", or empty. */
  readonly vipHolder: string;
  /** VRRP advertisements of others that were heard. */
  readonly vrrp: readonly { readonly source: string; readonly virtualRouterId: number }[];
  /** Server B: its MySQL is, or was, a member of a pair of ours. */
  readonly wasMember: boolean;
  readonly mysql: PairMysqlFacts | { readonly error: string } | undefined;
}

export interface InterfaceAddress {
  readonly interface: string;
  readonly address: string;
  readonly prefixLength: number;
}

/** Lists hold six names at most: enough to act on, and a large schema does not fill the screen. */
export interface PairMysqlFacts {
  readonly version: string;
  readonly serverId: number;
  readonly tls: boolean;
  readonly binlogFormat: string;
  readonly dataMiB: number;
  readonly otherEngines: readonly string[];
  readonly withoutPrimaryKey: readonly string[];
  /** host:port of a source that is not of the pair. */
  readonly replicaOf: readonly string[];
  /** Plugins of semi-sync under their old names. */
  readonly oldSemiSync: readonly string[];
  /** Accounts that are connected over the network and pass read-only and offline mode. */
  readonly mighty: readonly string[];
  /** Accounts that only certain addresses may use. */
  readonly boundToAddress: readonly string[];
}

export interface PairQuestions {
  /** The other data server. */
  readonly peerAddress: string | undefined;
  readonly vip: { readonly address: string; readonly interface: string } | undefined;
  readonly mysqlContainer: string | undefined;
}

/** Seconds for which VRRP is listened to: two advertisements at the usual pace. */
const listenSeconds = 2.2;

const systemSchemas = "'mysql', 'sys', 'performance_schema', 'information_schema'";

const mysqlQuestion = `SELECT CONCAT_WS('|', 'base', @@version, @@server_id, (SELECT COUNT(*) FROM performance_schema.tls_channel_status WHERE property = 'Enabled' AND value = 'Yes'), @@binlog_format, (SELECT CEIL(COALESCE(SUM(data_length + index_length), 0) / 1048576) FROM information_schema.tables));
SELECT CONCAT('engine|', table_schema, '.', table_name, ' (', engine, ')') FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND engine <> 'InnoDB' AND table_schema NOT IN (${systemSchemas}) LIMIT 6;
SELECT CONCAT('key|', t.table_schema, '.', t.table_name) FROM information_schema.tables t LEFT JOIN information_schema.table_constraints c ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.constraint_type = 'PRIMARY KEY' WHERE t.table_type = 'BASE TABLE' AND t.table_schema NOT IN (${systemSchemas}) AND c.constraint_name IS NULL LIMIT 6;
SELECT CONCAT('source|', host, ':', port) FROM performance_schema.replication_connection_configuration WHERE host <> '' AND user NOT LIKE 'im\\\\_%' LIMIT 6;
SELECT CONCAT('semisync|', plugin_name) FROM information_schema.plugins WHERE plugin_name IN ('rpl_semi_sync_master', 'rpl_semi_sync_slave');
SELECT DISTINCT CONCAT('mighty|', p.user) FROM information_schema.processlist p JOIN information_schema.user_privileges g ON g.grantee LIKE CONCAT('''', p.user, '''@%') AND g.privilege_type IN ('CONNECTION_ADMIN', 'SUPER') WHERE p.host LIKE '%:%' AND p.user NOT LIKE 'im\\\\_%' LIMIT 6;
SELECT CONCAT('bound|', user, '@', host) FROM mysql.user WHERE host NOT IN ('%', 'localhost', '127.0.0.1', '::1') AND user NOT LIKE 'mysql.%' AND user NOT LIKE 'im\\\\_%' LIMIT 6;`;

/**
 * Listens for VRRP with Perl, which every Debian and Ubuntu has: a raw socket that joins the group. Prints source and virtual router id of
 * what it hears.
 */
const vrrpListener = `use Socket; my ($interface, $seconds) = @ARGV;
socket(my $socket, PF_INET, SOCK_RAW, 112) or exit 0;
setsockopt($socket, 0, 35, pack("a4a4i", inet_aton("224.0.0.18"), inet_aton("0.0.0.0"), 0));
setsockopt($socket, SOL_SOCKET, 25, pack("Z*", $interface));
my $end = time + $seconds; my %heard;
alarm($seconds + 1); $SIG{ALRM} = sub { finish() };
sub finish { print "$_\\n" for sort keys %heard; exit 0 }
while (time < $end) {
  my $bits = ""; vec($bits, fileno($socket), 1) = 1;
  next unless select($bits, undef, undef, 0.2);
  next unless defined recv($socket, my $packet, 1500, 0);
  my $header = (ord(substr($packet, 0, 1)) & 15) * 4;
  next if length($packet) < $header + 2;
  $heard{inet_ntoa(substr($packet, 12, 4)) . " " . ord(substr($packet, $header + 1, 1))} = 1;
}
finish();`;

/** Further lines for the probe's one ssh session. The slow ones run side by side. */
export function renderPairQuestions(questions: PairQuestions): string[] {
  const { peerAddress, vip, mysqlContainer } = questions;
  const units = [...Object.values(pairUnits), failoverUnit];
  return [
    ...(vip === undefined
      ? []
      : [
          "heard=$(mktemp)",
          `timeout 6 perl -e ${quote(vrrpListener)} ${quote(vip.interface)} ${listenSeconds} >"$heard" 2>/dev/null &`,
          "listener=$!",
        ]),
    'fact pair.machine "$(cat /etc/machine-id 2>/dev/null)"',
    `ip -o -4 addr show 2>/dev/null | awk '{printf "pair.address\\t%s %s\\n", $2, $4}'`,
    `for unit in ${units.join(" ")}; do if timeout 5 systemctl is-active --quiet "$unit" 2>/dev/null; then fact pair.unit "$unit"; fi; done`,
    `if [ -e ${quote(pairPaths.memberMark)} ]; then fact pair.member yes; fi`,
    ...(peerAddress === undefined
      ? []
      : [
          `fact pair.rtt "$(timeout 4 ping -n -c 3 -i 0.2 -W 1 ${quote(peerAddress)} 2>/dev/null | sed -n 's#^rtt [^=]*= [^/]*/\\([^/]*\\)/.*#\\1#p')"`,
          `case "$(timeout 2 ip route get ${quote(peerAddress)} 2>/dev/null)" in *" via "*) fact pair.routed yes ;; esac`,
        ]),
    ...(vip === undefined
      ? []
      : [
          // Not by grep -q: it ends before ip does, and pipefail takes that for a no.
          `case "$(ip -o addr show 2>/dev/null)" in`,
          `  *${quote(` ${vip.address}/`)}*) fact pair.vip self ;;`,
          "  *)",
          // The answer to a ping may be filtered; to the question for the hardware address it cannot be.
          `    timeout 2 ping -n -c 1 -W 1 -I ${quote(vip.interface)} ${quote(vip.address)} >/dev/null 2>&1 || :`,
          `    fact pair.vip "$(ip neigh show ${quote(vip.address)} 2>/dev/null | sed -n 's/.* lladdr \\([0-9a-f:]*\\).*/\\1/p' | head -n 1)"`,
          "    ;;",
          "esac",
        ]),
    ...(mysqlContainer === undefined ? [] : mysqlQuestions(mysqlContainer)),
    ...(vip === undefined ? [] : [`wait "$listener" || :; sed 's/^/pair.vrrp\\t/' "$heard"; rm -f -- "$heard"`]),
  ];
}

function mysqlQuestions(container: string): string[] {
  const optionFile = `${credentialsDirectory}/mysql-root.cnf`;
  return [
    mysqlInContainer,
    `if [ -e ${quote(optionFile)} ] && [ "$(docker inspect --format '{{.State.Running}}' ${quote(container)} 2>/dev/null)" = true ]; then`,
    `  if answer=$(mysql_in_container ${quote(container)} ${quote(optionFile)} <<<${quote(mysqlQuestion)} 2>&1); then`,
    '    while IFS= read -r line; do fact pair.mysql "$line"; done <<<"$answer"',
    "  else",
    '    fact pair.mysql.error "$(printf "%s" "$answer" | tail -n 1)"',
    "  fi",
    "fi",
  ];
}

/** Turns the lines of `renderPairQuestions` into facts. */
export function parsePairFacts(output: string): PairFacts {
  const many = (name: string): string[] =>
    output.split("\n").flatMap((line) => (line.startsWith(`${name}\t`) ? [line.slice(name.length + 1)] : []));
  const text = (name: string) => many(name).at(-1) ?? "";
  const roundTrip = Number(text("pair.rtt"));
  return {
    machineId: text("pair.machine"),
    addresses: many("pair.address").map((line) => {
      const [device = "", network = ""] = line.split(" ");
      const [address = "", prefix] = network.split("/");
      return { interface: device, address, prefixLength: Number(prefix ?? 32) };
    }),
    activeUnits: many("pair.unit"),
    roundTripMilliseconds: text("pair.rtt") === "" || !Number.isFinite(roundTrip) ? undefined : roundTrip,
    routed: text("pair.routed") === "yes",
    vipHolder: text("pair.vip"),
    vrrp: many("pair.vrrp").map((line) => {
      const [source = "", id] = line.split(" ");
      return { source, virtualRouterId: Number(id) };
    }),
    wasMember: text("pair.member") === "yes",
    mysql: parseMysql(many("pair.mysql"), text("pair.mysql.error")),
  };
}

function parseMysql(lines: readonly string[], error: string): PairFacts["mysql"] {
  if (error !== "") return { error };
  const base = lines.find((line) => line.startsWith("base|"))?.split("|");
  if (base === undefined) return undefined;
  const named = (kind: string) =>
    lines.flatMap((line) => (line.startsWith(`${kind}|`) ? [line.slice(kind.length + 1)] : []));
  return {
    version: base[1] ?? "",
    serverId: Number(base[2]),
    tls: base[3] !== "0",
    binlogFormat: base[4] ?? "",
    dataMiB: Number(base[5]),
    otherEngines: named("engine"),
    withoutPrimaryKey: named("key"),
    replicaOf: named("source"),
    oldSemiSync: named("semisync"),
    mighty: named("mighty"),
    boundToAddress: named("bound"),
  };
}
