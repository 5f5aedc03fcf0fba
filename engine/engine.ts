import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { run } from "../lib/process.ts";
import { step } from "../lib/progress.ts";
import packageJson from "../package.json" with { type: "json" };
import { buildGoModule, type GoModule } from "./go-build.ts";

/** The Pulumi engine, ready to run. */
export interface Engine {
  /** The command line, as an absolute path. */
  readonly pulumi: string;
  readonly version: string;
  /** Where it came from: the machine's own, the npm wrapper's download, or built from Go modules. */
  readonly source: "path" | "npm" | "go";
  /** To be added to the environment of every call. */
  readonly environment: Readonly<Record<string, string>>;
  /** Puts the plugins into a PULUMI_HOME; does nothing where Pulumi downloads them by itself. */
  readonly linkPlugins: (pulumiHome: string) => void;
}

/** The oldest command line that speaks with our @pulumi/pulumi. */
const oldestPulumi = [3, 248] as const;
const npmWrapper = "pulumi@3.265.0";
/** Version of the command line that is built from Go modules: the one in engine/go/cli/go.mod. */
const builtPulumi = packageJson.dependencies["@pulumi/pulumi"];
const pluginNames = ["docker", "random", "tls", "command"] as const;

/** The version of a plugin is the one of its npm package. */
function pluginVersion(name: string): string {
  const version = (packageJson.dependencies as Readonly<Record<string, string>>)[`@pulumi/${name}`];
  if (version === undefined) throw new Error(`package.json has no dependency @pulumi/${name}`);
  return version;
}

const goModules = {
  cli: {
    folder: "cli",
    target: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    tags: ["osusergo", "grpcnotrace"],
    // The same linker setting as the official build: the version must not be empty.
    linkerFlags: `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${builtPulumi}`,
    title: "Pulumi command line",
  },
  language: {
    folder: "language-nodejs",
    target: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    tags: [],
    linkerFlags: "",
    title: "Pulumi language host for Node",
  },
  bridge: {
    folder: "bridge",
    target: ".",
    tags: ["no_compose", "osusergo"],
    linkerFlags: `-X main.versions=${["docker", "random", "tls"].map((name) => `${name}=${pluginVersion(name)}`).join(",")}`,
    title: "plugins docker, random, tls",
  },
  command: {
    folder: "command",
    target: ".",
    tags: [],
    linkerFlags: `-X main.version=${pluginVersion("command")}`,
    title: "plugin command",
  },
} as const satisfies Record<string, GoModule>;

/** Never ask the outside on its own account: a run on a closed network would wait for each of these. */
const quietEnvironment = { PULUMI_SKIP_UPDATE_CHECK: "true" };

/**
 * Finds, downloads or builds the engine, in this order: `pulumi` on the PATH, the official npm wrapper, Go modules.
 * IM_SUITE_HA_ENGINE=path|npm|go forces one. Idempotent; well under a second when everything is there.
 */
export async function ensureEngine(): Promise<Engine> {
  const forced = process.env["IM_SUITE_HA_ENGINE"];
  if (forced !== undefined && !["path", "npm", "go"].includes(forced)) {
    throw new OperatorError(`IM_SUITE_HA_ENGINE = "${forced}": expected path, npm or go.`);
  }
  if (forced === undefined || forced === "path") {
    const found = await pulumiOnPath();
    if (found !== undefined) return engineFrom(found.path, found.version, "path");
    if (forced === "path")
      throw new OperatorError(
        `IM_SUITE_HA_ENGINE = "path", but there is no pulumi ${oldestPulumi.join(".")} or later on the PATH.`,
      );
  }
  if (forced === "npm" || (forced === undefined && (await pulumiServersReachable()))) {
    const path = await npmPulumi();
    return engineFrom(path, await versionOf(path), "npm");
  }
  return builtEngine();
}

/** An engine that is not built by us: its plugins are downloaded by Pulumi, or built where its servers do not answer. */
async function engineFrom(pulumi: string, version: string, source: "path" | "npm"): Promise<Engine> {
  const environment = { ...quietEnvironment, PATH: [nodeFolder(), process.env["PATH"] ?? ""].join(delimiter) };
  if (await pulumiServersReachable()) return { pulumi, version, source, environment, linkPlugins: () => {} };
  const plugins = await buildPlugins();
  return { pulumi, version, source, environment, linkPlugins: (home) => linkPlugins(home, plugins) };
}

async function builtEngine(): Promise<Engine> {
  const cli = await buildGoModule(goModules.cli);
  const language = await buildGoModule(goModules.language);
  const plugins = await buildPlugins();
  const folder = programFolder(cli, language);
  return {
    pulumi: join(folder, "pulumi"),
    version: builtPulumi,
    source: "go",
    environment: {
      ...quietEnvironment,
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PATH: [nodeFolder(), folder, process.env["PATH"] ?? ""].join(delimiter),
    },
    linkPlugins: (home) => linkPlugins(home, plugins),
  };
}

interface Plugins {
  readonly bridge: string;
  readonly command: string;
}

async function buildPlugins(): Promise<Plugins> {
  return { bridge: await buildGoModule(goModules.bridge), command: await buildGoModule(goModules.command) };
}

/** Node 24 of the npm package `node`, which strips types, first on the PATH. */
function nodeFolder(): string {
  return join(repositoryRoot, "node_modules", ".bin");
}

/**
 * The folder with `pulumi` and its language host. The host is started by a launcher: this older host does not read the runtime
 * options of Pulumi.yaml and would compile the program on every run.
 */
function programFolder(cli: string, language: string): string {
  const key = [cli, language].map((path) => path.split("/").at(-2)).join("_");
  const folder = cacheDirectory("engine", "programs", `linked-${key}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  // A link to the file, not to its name: Pulumi looks for language hosts beside itself, and would follow a symbolic link away.
  linkSync(cli, join(partial, "pulumi"));
  const launcher = `#!/bin/sh\nexec '${language}' -typescript=false "$@"\n`;
  writeFileSync(join(partial, "pulumi-language-nodejs"), launcher, { mode: 0o755 });
  renameSync(partial, folder);
  return folder;
}

/** Links the built plugins where Pulumi looks for them, under the versions of the npm packages. */
function linkPlugins(pulumiHome: string, plugins: Plugins): void {
  for (const name of pluginNames) {
    const folder = join(pulumiHome, "plugins", `resource-${name}-v${pluginVersion(name)}`);
    const link = join(folder, `pulumi-resource-${name}`);
    const target = name === "command" ? plugins.command : plugins.bridge;
    mkdirSync(folder, { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

async function pulumiOnPath(): Promise<{ path: string; version: string } | undefined> {
  const own = join(repositoryRoot, "node_modules");
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "pulumi");
    // Not a wrapper that some package put into node_modules, and not what we built ourselves.
    if (folder === "" || folder.startsWith(own) || folder.startsWith(cacheDirectory()) || !existsSync(path)) continue;
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

/** Asks Pulumi's download server once, for at most 5 s; the answer counts for a day, so that warm starts do not ask again. */
async function pulumiServersReachable(): Promise<boolean> {
  const file = cacheDirectory("engine", "pulumi-servers.json");
  if (existsSync(file) && Date.now() - statSync(file).mtimeMs < 86_400_000) {
    return JSON.parse(readFileSync(file, "utf8")).reachable === true;
  }
  let reachable = false;
  try {
    const answer = await fetch("https://get.pulumi.com/", { method: "HEAD", signal: AbortSignal.timeout(5000) });
    reachable = answer.status < 500;
  } catch {
    // No route, refused, or too slow: all mean the same here.
  }
  mkdirSync(cacheDirectory("engine"), { recursive: true });
  writeFileSync(file, JSON.stringify({ reachable }));
  return reachable;
}

/** The npm wrapper, installed in the cache folder; its first run downloads the command line. */
async function npmPulumi(): Promise<string> {
  const folder = cacheDirectory("engine", "npm", npmWrapper);
  const pulumi = join(folder, "node_modules", ".bin", "pulumi");
  if (existsSync(join(folder, "complete"))) return pulumi;
  const logFile = cacheDirectory("logs", "engine.log");
  await step("Pulumi command line (npm download)", async (progress) => {
    mkdirSync(folder, { recursive: true });
    const onLine = progress.detail;
    const installed = await run("npm", ["install", "--prefix", folder, npmWrapper], {
      timeoutSeconds: 600,
      logFile,
      onLine,
    });
    const first = await run(pulumi, ["version"], { timeoutSeconds: 900, logFile, onLine });
    if (installed.exitCode !== 0 || first.exitCode !== 0) {
      throw new OperatorError(
        `The npm package ${npmWrapper} could not bring Pulumi; the log is ${logFile}. To build it from Go modules instead: IM_SUITE_HA_ENGINE=go`,
      );
    }
    writeFileSync(join(folder, "complete"), "");
  });
  return pulumi;
}
