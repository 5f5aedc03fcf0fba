import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { messageOf, OperatorError } from "../lib/errors.ts";
import { shortHash } from "../lib/hash.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { run } from "../lib/process.ts";
import packageJson from "../package.json" with { type: "json" };
import { downloadedPulumi, pulumiServersReachable, rememberServers } from "./download.ts";
import { buildGoModule, type GoModule } from "./go-build.ts";
import { buildPlugins, linkPlugins, place } from "./plugins.ts";

/** The Pulumi engine, ready to run. */
export interface Engine {
  /** The command line, as an absolute path. */
  readonly pulumi: string;
  readonly version: string;
  /** Where it came from: the machine's own, the npm package's download, or built from Go modules. */
  readonly source: EngineSource;
  /** To be added to the environment of every call. */
  readonly environment: Readonly<Record<string, string>>;
  /** Puts the plugins into a PULUMI_HOME; does nothing where Pulumi downloads them by itself. */
  readonly linkPlugins: (pulumiHome: string) => void;
}

const sources = ["path", "npm", "go"] as const;
export type EngineSource = (typeof sources)[number];

/** The oldest command line that speaks with our @pulumi/pulumi. */
const oldestPulumi = [3, 248] as const;

/** The command line that is built from Go modules has the version of the npm package; engine/go/cli/go.mod names the same. */
const builtVersion = packageJson.dependencies["@pulumi/pulumi"];

const cliModule: GoModule = {
  folder: "cli",
  target: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
  tags: ["osusergo", "grpcnotrace"],
  // The same linker setting as the official build's: plugins ask for the version.
  linkerFlags: `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${builtVersion}`,
  title: "Pulumi command line",
};

const languageModule: GoModule = {
  folder: "language-nodejs",
  target: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
  tags: [],
  linkerFlags: "",
  title: "Pulumi language host for Node",
};

/** A run on a closed network would wait for each question that Pulumi asks on its own account. */
const quietEnvironment = { PULUMI_SKIP_UPDATE_CHECK: "true" };

let found: Promise<Engine> | undefined;

/** As findEngine(), which is asked once in a process. */
export function ensureEngine(): Promise<Engine> {
  found ??= findEngine();
  return found;
}

/**
 * Finds, downloads or builds the engine, in this order: `pulumi` on the PATH, the official npm package, Go modules.
 * IM_SUITE_HA_ENGINE=path|npm|go forces one. Idempotent; well under a second when everything is there.
 * @throws OperatorError with what to type.
 */
export async function findEngine(): Promise<Engine> {
  const forced = forcedSource();
  if (forced === undefined || forced === "path") {
    const own = await pulumiOnPath();
    if (own !== undefined) return officialEngine(own.path, own.version, "path");
    if (forced === "path") {
      throw new OperatorError(
        `IM_SUITE_HA_ENGINE = "path": expected pulumi ${oldestPulumi.join(".")} or later on the PATH, and there is none.`,
      );
    }
  }
  if (forced === "npm" || (forced === undefined && (await pulumiServersReachable()))) {
    try {
      const path = await downloadedPulumi();
      return await officialEngine(path, await versionOf(path), "npm");
    } catch (error) {
      if (forced === "npm" || !(error instanceof OperatorError)) throw error;
      process.stdout.write(`${messageOf(error)}\nGoing on with Go modules.\n`);
      rememberServers(false);
    }
  }
  return builtEngine();
}

function forcedSource(): EngineSource | undefined {
  const value = process.env["IM_SUITE_HA_ENGINE"];
  if (value === undefined || value === "") return undefined;
  const source = sources.find((one) => one === value);
  if (source === undefined) throw new OperatorError(`IM_SUITE_HA_ENGINE = "${value}": expected path, npm or go.`);
  return source;
}

/** An engine that is not built by us: its plugins are downloaded by Pulumi, or built where its servers do not answer. */
async function officialEngine(pulumi: string, version: string, source: "path" | "npm"): Promise<Engine> {
  const environment = { ...quietEnvironment, PATH: withNodeFirst() };
  if (await pulumiServersReachable()) return { pulumi, version, source, environment, linkPlugins: () => {} };
  const plugins = await buildPlugins();
  return { pulumi, version, source, environment, linkPlugins: (home) => linkPlugins(home, plugins) };
}

async function builtEngine(): Promise<Engine> {
  const cli = await buildGoModule(cliModule);
  const language = await buildGoModule(languageModule);
  const plugins = await buildPlugins();
  const folder = programFolder(cli, language);
  return {
    pulumi: join(folder, "pulumi"),
    version: builtVersion,
    source: "go",
    environment: {
      ...quietEnvironment,
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PATH: withNodeFirst(),
    },
    linkPlugins: (home) => linkPlugins(home, plugins),
  };
}

/** Node 24 of the npm package `node`, which strips types, before the machine's own. */
function withNodeFirst(): string {
  return [join(repositoryRoot, "node_modules", ".bin"), process.env["PATH"] ?? ""].join(delimiter);
}

/**
 * The folder with `pulumi` and, beside it, where Pulumi looks first, its language host. The host is started by a launcher: this
 * older host does not read the runtime options of Pulumi.yaml and would compile the program on every run.
 */
function programFolder(cli: string, language: string): string {
  const folder = cacheDirectory("engine", "programs", shortHash(`${cli}\n${language}\nbeside`));
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  place(cli, join(partial, "pulumi"));
  place(language, join(partial, "language-host"));
  const launcher = `#!/bin/sh\nexec "$(dirname "$0")/language-host" -typescript=false "$@"\n`;
  writeFileSync(join(partial, "pulumi-language-nodejs"), launcher, { mode: 0o755 });
  try {
    renameSync(partial, folder);
  } catch (error) {
    // Another process made it in this moment.
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

async function pulumiOnPath(): Promise<{ path: string; version: string } | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "pulumi");
    // Not a wrapper that some package put into node_modules, and not what we built ourselves.
    const ours = folder.startsWith(join(repositoryRoot, "node_modules")) || folder.startsWith(cacheDirectory());
    if (folder === "" || ours || !existsSync(path)) continue;
    const version = await versionOf(path);
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major > oldestPulumi[0] || (major === oldestPulumi[0] && minor >= oldestPulumi[1])) return { path, version };
  }
  return undefined;
}

async function versionOf(pulumi: string): Promise<string> {
  const result = await run(pulumi, ["version"], { timeoutSeconds: 20, environment: quietEnvironment });
  return result.stdout.trim().replace(/^v/, "");
}
