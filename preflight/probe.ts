import { growthTriggerMetric } from "../config/growth.ts";
import { createOnceDirectory, dataDirectory, stageLabel, stateDirectory } from "../config/names.ts";
import { ownPrometheusUrl } from "../config/own-prometheus.ts";
import type { AdoptedCredentials, Configuration, ServerAlias, ServerConfiguration } from "../config/schema.ts";
import { OperatorError } from "../lib/errors.ts";
import { quote, script } from "../lib/shell.ts";
import { sshScript } from "../lib/ssh.ts";
import { mysqlInContainer } from "../templates/container-clients.ts";
import { renderMysqlOptionFile } from "../templates/mysql-option-file.ts";
import { parseFacts, type ServerFacts } from "./facts.ts";

/** A probe may take this long: a preview must not hang on a sick server. */
const PROBE_TIMEOUT_SECONDS = 25;

/** Where hosting panels install themselves. A panel rewrites firewalls, Docker and cron behind our back. */
const panelPaths: Readonly<Record<string, string>> = {
  "/www/server/panel": "BT (宝塔) / aaPanel",
  "/usr/local/bin/1pctl": "1Panel",
  "/usr/local/cpanel": "cPanel",
  "/usr/local/psa": "Plesk",
  "/usr/local/directadmin": "DirectAdmin",
  "/usr/local/CyberCP": "CyberPanel",
  "/usr/local/hestia": "HestiaCP",
  "/usr/local/vesta": "VestaCP",
  "/usr/local/ispconfig": "ISPConfig",
};

export interface ProbeOptions {
  /** Also ask the adopted suite's MySQL. */
  readonly mysql?: { readonly container: string; readonly credentials: AdoptedCredentials };
  /** Address of our Prometheus on the server, to be asked for the triggers of stage 2. */
  readonly prometheusUrl?: string;
  /** Further lines for the same session: `doctor` adds its own questions. */
  readonly extra?: readonly string[];
}

export interface ProbeResult {
  readonly facts: ServerFacts;
  /** The raw lines, for who added questions. */
  readonly output: string;
}

/** Looks at one server in a single bounded ssh session. Changes nothing there. */
export async function probe(
  server: ServerConfiguration,
  configPath: string,
  options: ProbeOptions = {},
): Promise<ProbeResult> {
  const before = Date.now() / 1000;
  const result = await sshScript(server, renderProbe(options), configPath, { timeoutSeconds: PROBE_TIMEOUT_SECONDS });
  const after = Date.now() / 1000;
  if (result.exitCode !== 0) {
    const reason =
      result.exitCode === 124 || result.exitCode === 137
        ? `it did not end within ${PROBE_TIMEOUT_SECONDS} s. Expected a server that is not overloaded (look at it with: uptime; docker ps)`
        : `exit code ${result.exitCode}: ${result.stderr.trim().split("\n").at(-1)}`;
    throw new OperatorError(`${configPath}.address = "${server.address}": looking at the server failed: ${reason}`);
  }
  return { facts: parseFacts(result.stdout, { before, after }), output: result.stdout };
}

/** Probes every server of the configuration side by side. */
export async function probeServers(configuration: Configuration): Promise<Partial<Record<ServerAlias, ServerFacts>>> {
  const entries = Object.entries(configuration.servers) as [ServerAlias, ServerConfiguration][];
  const probed = await Promise.all(
    entries.map(async ([alias, server]) => {
      const { facts } = await probe(server, `im:servers.${alias}`, probeOptionsFor(configuration, alias));
      return [alias, facts] as const;
    }),
  );
  return Object.fromEntries(probed);
}

/** What to ask beside the general facts: server a's Prometheus, and its MySQL when its suite is adopted. */
export function probeOptionsFor(configuration: Configuration, alias: ServerAlias): ProbeOptions {
  const { suite, adoptedCredentials } = configuration;
  if (alias !== "a") return {};
  const prometheusUrl = ownPrometheusUrl(configuration);
  return {
    ...(prometheusUrl === undefined || !configuration.growth.enabled ? {} : { prometheusUrl }),
    ...(suite.mode !== "adopt" || adoptedCredentials === undefined
      ? {}
      : { mysql: { container: suite.containers.mysql, credentials: adoptedCredentials } }),
  };
}

const containerFormat = [
  "{{.Id}}",
  "{{.Name}}",
  "{{.Config.Image}}",
  "{{.Image}}",
  "{{.State.Status}}",
  "{{.State.StartedAt}}",
  "{{.RestartCount}}",
  "{{.HostConfig.RestartPolicy.Name}}",
  "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}},{{end}}",
  "{{range $port, $bindings := .NetworkSettings.Ports}}{{range $bindings}}{{.HostIp}}:{{.HostPort}}>{{$port}},{{end}}{{end}}",
  `{{index .Config.Labels "${stageLabel}"}}`,
].join("|");

const mysqlQuestion = `SELECT CONCAT_WS('|', @@version, @@log_bin, @@gtid_mode, @@server_id, @@innodb_page_size, @@binlog_format,
  (SELECT CEIL(COALESCE(SUM(data_length + index_length), 0) / 1048576) FROM information_schema.tables));`;

/** The probe's script. It travels on ssh's stdin, so the credentials in it are in no process list. */
export function renderProbe(options: ProbeOptions = {}): string {
  return script(
    'fact() { printf "%s\\t%s\\n" "$1" "$2"; }',
    'fact clock "$(date +%s.%N)"',
    'fact uid "$(id -u)"',
    '( . /etc/os-release; fact system.id "${ID:-}"; fact system.version "${VERSION_ID:-}"; fact system.name "${PRETTY_NAME:-}" ) 2>/dev/null || :',
    'fact system.architecture "$(uname -m)"',
    'awk \'/^MemTotal:/ {printf "memory.total\\t%d\\n", $2/1024} /^MemAvailable:/ {printf "memory.available\\t%d\\n", $2/1024}\' /proc/meminfo',
    "disk() {",
    '  path=$2; while [ ! -e "$path" ]; do path=$(dirname -- "$path"); done',
    '  timeout 5 df -Pm -- "$path" | awk -v name="disk.$1" \'NR==2 {printf "%s.total\\t%d\\n%s.available\\t%d\\n", name, $2, name, $4}\'',
    "}",
    "disk root /",
    `disk state ${quote(stateDirectory)}`,
    'version=""',
    'if command -v docker >/dev/null 2>&1; then version=$(timeout 10 docker version --format "{{.Server.Version}}" 2>/dev/null) || version=""; fi',
    'fact docker "$version"',
    'if [ -n "$version" ]; then',
    "  mapfile -t ids < <(timeout 10 docker ps --all --quiet --no-trunc)",
    '  if [ "${#ids[@]}" -gt 0 ]; then',
    // A container that went away between the two looks is no reason to give up on the others.
    `    timeout 10 docker inspect --format ${quote(containerFormat)} "\${ids[@]}" 2>/dev/null | sed 's/^/container\\t/' || :`,
    "  fi",
    "fi",
    "if command -v ss >/dev/null 2>&1; then timeout 5 ss -Hltnp | sed 's/^/listener\\t/'; fi",
    ...Object.entries(panelPaths).map(([path, name]) => `if [ -e ${quote(path)} ]; then fact panel ${quote(name)}; fi`),
    `for file in ${quote(createOnceDirectory)}/*; do if [ -f "$file" ]; then fact create-once "$(basename -- "$file")"; fi; done`,
    `for directory in ${quote(dataDirectory)}/*; do if [ -d "$directory" ] && [ -n "$(ls -A -- "$directory")" ]; then fact data "$(basename -- "$directory")"; fi; done`,
    ...(options.mysql === undefined ? [] : mysqlLines(options.mysql)),
    ...(options.prometheusUrl === undefined ? [] : [growthLine(options.prometheusUrl)]),
    ...(options.extra ?? []),
  );
}

function mysqlLines({ container, credentials }: NonNullable<ProbeOptions["mysql"]>): string[] {
  const optionFile = renderMysqlOptionFile({ user: "root", password: credentials.mysqlRootPassword });
  return [
    mysqlInContainer,
    `if [ -n "$version" ] && [ "$(docker inspect --format '{{.State.Running}}' ${quote(container)} 2>/dev/null)" = true ]; then`,
    // Process substitution is a pipe: the option file touches no disk of the server.
    `  if answer=$(mysql_in_container ${quote(container)} <(printf '%s' ${quote(optionFile)}) <<<${quote(mysqlQuestion)} 2>&1); then`,
    // The client's warnings come before the row.
    '    fact mysql "$(printf "%s" "$answer" | tail -n 1)"',
    "  else",
    '    fact mysql.error "$(printf "%s" "$answer" | tail -n 1)"',
    "  fi",
    "fi",
  ];
}

/** Asks our Prometheus, where there is one already, for the measured triggers of stage 2: one line of JSON. */
export function growthLine(prometheusUrl: string): string {
  const query = quote(`${prometheusUrl}/api/v1/query?query=${growthTriggerMetric}`);
  return `if command -v curl >/dev/null 2>&1 && answer=$(curl --silent --fail --max-time 3 ${query}); then fact growth "$answer"; fi`;
}
