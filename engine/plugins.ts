import { copyFileSync, existsSync, linkSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { buildGoModule, type GoModule } from "./go-build.ts";

/** Pulumi packages of the program. Versions are those of the npm packages in package.json: the plugin and its SDK are one thing. */
export const pluginNames = ["docker", "random", "tls", "command"] as const;
export type PluginName = (typeof pluginNames)[number];

export function pluginVersion(name: PluginName): string {
  return packageJson.dependencies[`@pulumi/${name}`];
}

const bridged = ["docker", "random", "tls"] as const;

const bridgeModule: GoModule = {
  folder: "bridge",
  target: ".",
  // The provider's compose resource would bring all of docker compose with it; nothing here uses it.
  tags: ["no_compose", "osusergo"],
  linkerFlags: `-X main.versions=${bridged.map((name) => `${name}=${pluginVersion(name)}`).join(",")}`,
  title: "plugins docker, random, tls",
};

const commandModule: GoModule = {
  folder: "command",
  target: ".",
  tags: ["osusergo"],
  linkerFlags: `-X main.version=${pluginVersion("command")}`,
  title: "plugin command",
};

/** The program behind each plugin. */
export type BuiltPlugins = Readonly<Record<PluginName, string>>;

/** Builds the plugins from Go modules, or finds them built. */
export async function buildPlugins(): Promise<BuiltPlugins> {
  const bridge = await buildGoModule(bridgeModule);
  const command = await buildGoModule(commandModule);
  return { docker: bridge, random: bridge, tls: bridge, command };
}

/**
 * Puts built plugins where Pulumi looks for them below a PULUMI_HOME. They stay off the PATH: one found there would win over the
 * folder's, with a warning on every run.
 */
export function linkPlugins(pulumiHome: string, plugins: BuiltPlugins): void {
  for (const name of pluginNames) {
    const folder = join(pulumiHome, "plugins", `resource-${name}-v${pluginVersion(name)}`);
    place(plugins[name], join(folder, `pulumi-resource-${name}`));
  }
}

/**
 * Makes `target` the same file as `source`: a hard link, which costs nothing and outlives a cleaned cache, or a copy where the two
 * are on different disks. The name changes hands in one step, so that a Pulumi that runs now always finds a program.
 */
export function place(source: string, target: string): void {
  if (existsSync(target) && isSameProgram(source, target)) return;
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  try {
    linkSync(source, temporary);
  } catch {
    copyFileSync(source, temporary);
  }
  renameSync(temporary, target);
}

function isSameProgram(source: string, target: string): boolean {
  const [a, b] = [statSync(source), statSync(target)];
  return (a.ino === b.ino && a.dev === b.dev) || (a.dev !== b.dev && a.size === b.size && a.mtimeMs <= b.mtimeMs);
}
