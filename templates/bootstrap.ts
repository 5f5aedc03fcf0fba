import { configurationDirectory, stateDirectory } from "../config/names.ts";
import { commandLine, quote, script } from "../lib/shell.ts";

export interface BootstrapOptions {
  /** Install Docker, chrony and tools when they are missing. False on an adopted server, where Docker must already run. */
  readonly installDocker: boolean;
  /** Install what the backup programs use, when it is missing. */
  readonly backup: boolean;
  /** Base address of an apt mirror, for our own calls only. */
  readonly aptMirror: string | undefined;
  /** Registry mirrors, written to daemon.json only when we installed Docker and there is no daemon.json. */
  readonly registryMirrors: readonly string[];
  /** Time servers for chrony, when we installed it. */
  readonly timeServers: readonly string[];
  /** Programs of a pair, from stage 2 on: of a data server, or of the third vote. */
  readonly pair?: readonly PairProgram[];
}

/** What a server of a pair runs, by command: its package, and the unit that the package would start with a configuration of its own. */
const pairPrograms = {
  haproxy: { packageName: "haproxy", unit: "haproxy.service" },
  keepalived: { packageName: "keepalived", unit: "keepalived.service" },
  nft: { packageName: "nftables", unit: undefined },
  etcd: { packageName: "etcd-server", unit: "etcd.service" },
  etcdctl: { packageName: "etcd-client", unit: undefined },
  chronyd: { packageName: "chrony", unit: undefined },
  jq: { packageName: "jq", unit: undefined },
} as const;

export type PairProgram = keyof typeof pairPrograms;

/**
 * Brings a server to what our scripts need. Idempotent, and a second run costs well under a second: each part looks first.
 */
export function renderBootstrap(options: BootstrapOptions): string {
  return script(
    'if [ "$(id -u)" -ne 0 ]; then echo "not root" >&2; exit 1; fi',
    // Made here, once: whoever writes the first file below them must not decide their mode.
    `mkdir -p -m 0755 -- ${quote(configurationDirectory)} ${quote(stateDirectory)}`,
    ...renderAptFunctions(options.aptMirror),
    "missing=()",
    ...Object.entries({ ...tools, ...(options.backup ? backupTools : {}) }).map(
      ([command, packageName]) => `command -v ${quote(command)} >/dev/null 2>&1 || missing+=(${quote(packageName)})`,
    ),
    ...(options.pair ?? []).map(pairProgram),
    ...(options.installDocker
      ? [
          "install_docker=false",
          "if ! command -v dockerd >/dev/null 2>&1; then missing+=(docker.io iptables); install_docker=true; fi",
          "command -v chronyd >/dev/null 2>&1 || missing+=(chrony)",
          ...daemonJson(options.registryMirrors),
        ]
      : []),
    'if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi',
    ...(options.installDocker ? ["timeout 60 systemctl enable --now docker >&2", ...chrony(options.timeServers)] : []),
  );
}

/**
 * The distribution's unit of what we install is masked before: it would start at once, with its own configuration, on our ports. An
 * operator's own, installed before us, is left as it is.
 */
function pairProgram(command: PairProgram): string {
  const { packageName, unit } = pairPrograms[command];
  const mask = unit === undefined ? "" : `; timeout 30 systemctl mask --quiet ${unit} 2>&1 || :`;
  return `command -v ${command} >/dev/null 2>&1 || { missing+=(${packageName})${mask}; }`;
}

/** Commands that our scripts use, with the Debian and Ubuntu package that brings each. */
const tools: Readonly<Record<string, string>> = {
  curl: "curl",
  logrotate: "logrotate",
  ss: "iproute2",
  flock: "util-linux",
};

const backupTools: Readonly<Record<string, string>> = { restic: "restic", jq: "jq" };

/** `install_packages`: apt that waits for another apt, never asks, and reports its last lines when it fails. */
function renderAptFunctions(mirror: string | undefined): string[] {
  const mirrorOptions =
    mirror === undefined
      ? []
      : [
          // A source list of our own for this call: the server's own sources stay as they are.
          "sources=$(mktemp)",
          `( . /etc/os-release; printf 'deb %s %s main\\n' ${quote(mirror)} "$VERSION_CODENAME" >"$sources" )`,
          'apt_options+=(-o "Dir::Etc::sourcelist=$sources" -o Dir::Etc::sourceparts=/dev/null)',
        ];
  return [
    "install_packages() {",
    // The run of an `up` that was killed goes on here; apt waits for dpkg's lock, but not for the lock of its own lists.
    "  exec 8>/run/im-suite-apt.lock; timeout 900 flock 8",
    "  local apt_options=(-qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)",
    ...mirrorOptions.map((line) => `  ${line}`),
    "  local log; log=$(mktemp)",
    '  if ! { timeout 300 apt-get "${apt_options[@]}" update && timeout 600 apt-get "${apt_options[@]}" install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then',
    '    echo "apt-get could not install $*:" >&2; tail -n 5 "$log" >&2; rm -f -- "$log"; return 1',
    "  fi",
    '  rm -f -- "$log"',
    "}",
  ];
}

function daemonJson(mirrors: readonly string[]): string[] {
  const content = { "live-restore": true, ...(mirrors.length === 0 ? {} : { "registry-mirrors": mirrors }) };
  return [
    // live-restore: a restart of the daemon (an apt upgrade) must not stop the databases.
    'if "$install_docker" && [ ! -e /etc/docker/daemon.json ]; then',
    "  mkdir -p -m 0755 /etc/docker",
    `  printf '%s\\n' ${quote(JSON.stringify(content, null, 2))} >/etc/docker/daemon.json`,
    "  chmod 0644 /etc/docker/daemon.json",
    "fi",
  ];
}

function chrony(timeServers: readonly string[]): string[] {
  if (timeServers.length === 0) return [];
  const content = timeServers.map((server) => `server ${server} iburst`).join("\n");
  return [
    "mkdir -p -m 0755 /etc/chrony/sources.d",
    `printf '%s\\n' ${quote(content)} >/etc/chrony/sources.d/im-suite.sources`,
    "chmod 0644 /etc/chrony/sources.d/im-suite.sources",
    "timeout 30 chronyc reload sources >&2 || timeout 30 systemctl restart chrony >&2",
  ];
}

/** Waits until the Docker Engine answers. Small and stable on purpose; see Host. */
export function renderDockerReady(): string {
  return script(
    "deadline=$((SECONDS + 60))",
    `until ${commandLine(["timeout", "10", "docker", "version", "--format", "{{.Server.Version}}"])} >/dev/null 2>&1; do`,
    '  if [ "$SECONDS" -ge "$deadline" ]; then echo "the Docker Engine does not answer: systemctl status docker" >&2; exit 1; fi',
    "  sleep 1",
    "done",
  );
}
