import type { ServerConfiguration } from "../../config/server-schema.ts";
import { quote, script } from "../../lib/shell.ts";

export interface CopiedImage {
  readonly service: string;
  /** Its container on server A. */
  readonly container: string;
}

export interface CopyImages {
  readonly from: SshCommand;
  readonly to: SshCommand;
  readonly images: readonly CopiedImage[];
}

/** Words of an ssh command that ends with the destination. */
export type SshCommand = readonly string[];

export const sshCommand = (server: ServerConfiguration, options: readonly string[]): SshCommand => [
  "ssh",
  ...options,
  "-p",
  String(server.sshPort),
  `${server.user}@${server.address}`,
];

/** Name on server B of a copied image: its short id is in it, so another image is another name and replaces the container. */
const nameOf = "im-suite/$service:$(printf '%s' \"$id\" | sed 's/^sha256://' | cut -c 1-12)";

/**
 * Runs on this machine: server B gets the very images that server A runs. From their registry by digest where it still serves them, else
 * through here by `docker save` and `docker load`: no key on A opens B. Prints `service image` a line.
 */
export function renderCopyImages({ from, to, images }: CopyImages): string {
  const words = (command: SshCommand) => command.map(quote).join(" ");
  return script(
    `on_a() { timeout 1800 ${words(from)} "$@" </dev/null; }`,
    `on_b() { timeout 1800 ${words(to)} "$@"; }`,
    "copy() {",
    "  local service=$1 container=$2 id digest name loaded",
    '  id=$(on_a docker inspect --format "{{.Image}}" "$container")',
    `  name="${nameOf}"`,
    '  if on_b docker image inspect "$name" >/dev/null 2>&1 </dev/null; then printf "%s %s\\n" "$service" "$name"; return; fi',
    '  digest=$(on_a docker image inspect --format "\'{{range .RepoDigests}}{{println .}}{{end}}\'" "$id" | head -n 1)',
    '  if [ -n "$digest" ] && on_b timeout 300 docker pull --quiet "$digest" >/dev/null 2>&1 </dev/null; then',
    '    on_b docker tag "$digest" "$name" </dev/null',
    "  else",
    // Its last word is the name or the id of what was loaded; engines with another image store give it another id.
    `    loaded=$(on_a "docker save $id | gzip -1" | on_b "gunzip | docker load" | sed -n 's/^Loaded image\\( ID\\)\\{0,1\\}: //p' | head -n 1)`,
    '    on_b docker tag "$loaded" "$name" </dev/null',
    "  fi",
    '  printf "%s %s\\n" "$service" "$name"',
    "}",
    ...images.map(({ service, container }) => `copy ${quote(service)} ${quote(container)}`),
  );
}

/** The image of a service in what the script printed. */
export function copiedImage(printed: string, service: string): string {
  const line = printed.split("\n").find((one) => one.startsWith(`${service} `));
  if (line === undefined) throw new Error(`no image of ${service} was copied`);
  return line.slice(service.length + 1).trim();
}
