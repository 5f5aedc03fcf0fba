import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OperatorError } from "../lib/errors.ts";
import { run } from "../lib/process.ts";

/**
 * How this machine reaches Debian packages: mirrors, proxy and private certificate authorities. The lab's servers and
 * images get the same, because what works for the machine is the only thing known to work.
 */
export interface MachineApt {
  /** The mirror that has `dists/bookworm` (and, on the same mirror, newer suites). */
  readonly mirror: string;
  /** Content of /etc/apt/sources.list inside the lab. */
  readonly sources: string;
  /** Content of a file in /etc/apt/apt.conf.d inside the lab. */
  readonly configuration: string;
  /** The machine's own certificate authorities: file name -> PEM. */
  readonly authorities: Readonly<Record<string, string>>;
}

/** One line of `apt-get indextargets`. */
interface Target {
  readonly uri: string;
  readonly release: string;
  readonly component: string;
}

/** The Debian release of the lab's servers. */
export const serverRelease = "bookworm";

const debianReleases = /^(bullseye|bookworm|trixie|forky|sid|stable|oldstable|testing|unstable)$/;

/** Reads the machine's apt. @returns undefined where no Debian mirror is known (not Debian, and none named). */
export async function readMachineApt(): Promise<MachineApt | undefined> {
  const targets = await readTargets();
  const mirror = debianMirror(targets, process.env["IM_LAB_DEBIAN_MIRROR"]);
  if (mirror === undefined) return undefined;
  return {
    mirror,
    sources: sourcesList(mirror, targets),
    configuration: aptConfiguration(await dump()),
    authorities: readAuthorities(),
  };
}

/** Parses `apt-get indextargets` in the form `uri|release|component`. */
export function parseTargets(text: string): Target[] {
  return text.split("\n").flatMap((line) => {
    const [uri, release, component] = line.trim().split("|");
    if (uri === undefined || release === undefined || component === undefined) return [];
    return [{ uri: uri.replace(/\/$/, ""), release, component }];
  });
}

/** The mirror of the machine's own main Debian source; `named` (IM_LAB_DEBIAN_MIRROR) wins. */
export function debianMirror(targets: readonly Target[], named: string | undefined): string | undefined {
  if (named !== undefined && named !== "") {
    if (!/^https?:\/\/\S+$/.test(named)) {
      throw new OperatorError(
        `IM_LAB_DEBIAN_MIRROR = ${JSON.stringify(named)}: expected the URL of a Debian mirror, such as http://mirror.example/debian`,
      );
    }
    return named.replace(/\/$/, "");
  }
  return targets.find((target) => debianReleases.test(target.release) && target.component === "main")?.uri;
}

/** The server's sources: bookworm, with updates and security where the machine itself has them for bookworm. */
export function sourcesList(mirror: string, targets: readonly Target[]): string {
  const more = targets.filter(
    (target) =>
      target.component === "main" && new RegExp(`^${serverRelease}[-/](updates|security)$`).test(target.release),
  );
  return [{ uri: mirror, release: serverRelease }, ...more]
    .map((target) => `deb ${target.uri} ${target.release} main\n`)
    .join("");
}

/** Keeps of `apt-config dump` what a network makes necessary: proxies, certificates, clocks. */
export function aptConfiguration(text: string): string {
  const wanted = /^Acquire::(https?(::[\w.-]+)?::(Proxy|Verify-Peer|Verify-Host)|Check-Valid-Until|Check-Date) ".+";$/;
  const lines = text.split("\n").filter((line) => wanted.test(line));
  return `${["// From the machine that runs the lab.", ...lines].join("\n")}\n`;
}

async function readTargets(): Promise<Target[]> {
  try {
    const format = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)";
    const result = await run("apt-get", ["indextargets", "--format", format, "Identifier: Packages"]);
    return result.exitCode === 0 ? parseTargets(result.stdout) : [];
  } catch {
    return [];
  }
}

async function dump(): Promise<string> {
  try {
    return (await run("apt-config", ["dump"])).stdout;
  } catch {
    return "";
  }
}

function readAuthorities(): Record<string, string> {
  const directory = "/usr/local/share/ca-certificates";
  if (!existsSync(directory)) return {};
  const names = readdirSync(directory).filter((name) => name.endsWith(".crt"));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}
