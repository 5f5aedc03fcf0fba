import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPlugins, linkPlugins, type PluginName, pluginNames, pluginVersion } from "../../engine/plugins.ts";
import { repositoryRoot } from "../../lib/paths.ts";
import { runChecked } from "../../lib/process.ts";
import { classNames, type Names, type PackageSchema, schemaNames } from "../support/property-names.ts";

/** Resource types of the program: npm package, file and class, and the type that the plugin knows. */
const used: readonly { plugin: PluginName; file: string; className: string; token: string }[] = [
  { plugin: "docker", file: "container", className: "Container", token: "docker:index/container:Container" },
  { plugin: "docker", file: "network", className: "Network", token: "docker:index/network:Network" },
  { plugin: "docker", file: "volume", className: "Volume", token: "docker:index/volume:Volume" },
  { plugin: "docker", file: "remoteImage", className: "RemoteImage", token: "docker:index/remoteImage:RemoteImage" },
  { plugin: "docker", file: "provider", className: "Provider", token: "provider" },
  { plugin: "command", file: "remote/command", className: "Command", token: "command:remote:Command" },
  { plugin: "command", file: "remote/copyToRemote", className: "CopyToRemote", token: "command:remote:CopyToRemote" },
  { plugin: "command", file: "local/command", className: "Command", token: "command:local:Command" },
  { plugin: "random", file: "randomId", className: "RandomId", token: "random:index/randomId:RandomId" },
  {
    plugin: "random",
    file: "randomInteger",
    className: "RandomInteger",
    token: "random:index/randomInteger:RandomInteger",
  },
  {
    plugin: "random",
    file: "randomPassword",
    className: "RandomPassword",
    token: "random:index/randomPassword:RandomPassword",
  },
  {
    plugin: "random",
    file: "randomString",
    className: "RandomString",
    token: "random:index/randomString:RandomString",
  },
  { plugin: "random", file: "randomUuid", className: "RandomUuid", token: "random:index/randomUuid:RandomUuid" },
  { plugin: "tls", file: "certRequest", className: "CertRequest", token: "tls:index/certRequest:CertRequest" },
  {
    plugin: "tls",
    file: "locallySignedCert",
    className: "LocallySignedCert",
    token: "tls:index/locallySignedCert:LocallySignedCert",
  },
  { plugin: "tls", file: "privateKey", className: "PrivateKey", token: "tls:index/privateKey:PrivateKey" },
  {
    plugin: "tls",
    file: "selfSignedCert",
    className: "SelfSignedCert",
    token: "tls:index/selfSignedCert:SelfSignedCert",
  },
];

/** What the plugin knows and the npm package cannot say: the provider inside it is a little newer. Harmless, but listed. */
const onlyInPlugin: Readonly<Record<string, readonly string[]>> = {
  "docker:index/container:Container": ["deviceCgroupRules", "uploads.group", "uploads.owner"],
  "docker:index/remoteImage:RemoteImage": ["build.provenance", "build.sbom"],
};

const home = mkdtempSync(join(tmpdir(), "im-plugins-"));
const schemas = new Map<PluginName, PackageSchema>();

const programOf = (name: PluginName) =>
  join(home, "plugins", `resource-${name}-v${pluginVersion(name)}`, `pulumi-resource-${name}`);

beforeAll(async () => {
  linkPlugins(home, await buildPlugins());
  for (const name of pluginNames) {
    const printed = await runChecked(programOf(name), ["-print-schema"], { timeoutSeconds: 60 });
    schemas.set(name, JSON.parse(printed.stdout));
  }
}, 1_200_000);

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** `a`, `a.b`, ... for every name in a tree. */
function paths(names: Names, before = ""): string[] {
  return Object.entries(names).flatMap(([name, below]) => [`${before}${name}`, ...paths(below, `${before}${name}.`)]);
}

function difference(left: Names, right: Names): string[] {
  const known = new Set(paths(right));
  return paths(left).filter((path) => !known.has(path));
}

describe("property names of the npm packages and of the plugins we build", () => {
  test.each(used)("$token of $plugin", ({ plugin, file, className, token }) => {
    const schema = schemas.get(plugin);
    if (schema === undefined) throw new Error(`no schema of ${plugin}`);
    const npm = classNames(`@pulumi/${plugin}`, file, className);
    const built = schemaNames(schema, token);
    expect(paths(npm.inputs).length).toBeGreaterThan(0);
    expect({ inputs: difference(npm.inputs, built.inputs), outputs: difference(npm.outputs, built.outputs) }).toEqual({
      inputs: [],
      outputs: [],
    });
    expect(difference(built.inputs, npm.inputs)).toEqual(onlyInPlugin[token] ?? []);
  });

  test("cover every resource type that the program creates", () => {
    const listed = new Set(used.map(({ plugin, file, className }) => `${plugin}/${file}/${className}`));
    const created = new Set<string>();
    for (const folder of ["components", "stacks"]) {
      for (const entry of readdirSync(join(repositoryRoot, folder), { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
        const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
        // `new docker.Container(`, and `new remote.Command(` of the package command.
        const pattern = /new (?:(docker|random|tls)|(?:command\.)?(local|remote))\.([A-Z]\w+)\(/g;
        for (const [, plugin = "command", module, className] of text.matchAll(pattern)) {
          const file = `${(className ?? "").charAt(0).toLowerCase()}${(className ?? "").slice(1)}`;
          created.add(`${plugin}/${module === undefined ? "" : `${module}/`}${file}/${className}`);
        }
      }
    }
    expect(created.size).toBeGreaterThan(0);
    expect([...created].filter((name) => !listed.has(name))).toEqual([]);
  });
});

test("every plugin says the version of its npm package", async () => {
  for (const name of ["docker", "random", "tls"] as const) {
    const printed = await runChecked(programOf(name), ["-version"], { timeoutSeconds: 20 });
    expect(printed.stdout.trim()).toBe(pluginVersion(name));
  }
  expect((schemas.get("command") as { version?: string }).version).toBe(pluginVersion("command"));
});

test("plugins are placed once: a second time changes nothing", async () => {
  const before = pluginNames.map((name) => statSync(programOf(name)).ino);
  linkPlugins(home, await buildPlugins());
  expect(pluginNames.map((name) => statSync(programOf(name)).ino)).toEqual(before);
});
