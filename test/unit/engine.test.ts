import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import packageJson from "../../package.json" with { type: "json" };

/** A machine whose tools are scripts that note how they are called; its cache is empty. */
let folder: string;
const inside = (...parts: string[]) => join(folder, ...parts);

// Every fresh copy of lib/process.ts listens for signals once.
process.setMaxListeners(100);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "im-engine-"));
  mkdirSync(inside("bin"));
  vi.stubEnv("PATH", `${inside("bin")}:/usr/bin:/bin`);
  vi.stubEnv("IM_SUITE_HA_CACHE", inside("cache"));
  vi.stubEnv("IM_SUITE_HA_ENGINE", "");
  // Each test is a new process to the engine: it remembers Go's version.
  vi.resetModules();
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  tool("go", goThatBuilds("go1.26.8"));
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function tool(name: string, script: string): void {
  writeFileSync(inside("bin", name), `#!/bin/sh\necho "${name} $*" >> '${inside("calls")}'\n${script}\n`);
  chmodSync(inside("bin", name), 0o755);
}

function goThatBuilds(version: string): string {
  return `if [ "$1" = env ]; then echo ${version}; exit; fi
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho built\\n' > "$2"; chmod +x "$2"`;
}

const pulumiOfVersion = (version: string) => tool("pulumi", `echo v${version}`);

/** The npm package's wrapper downloads the program below PULUMI_HOME at its first run. */
const npmThatInstalls = `while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/.bin"
cat > "$2/node_modules/.bin/pulumi" <<'end'
#!/bin/sh
bin="$PULUMI_HOME/versions/3.265.0/bin"
mkdir -p "$bin"
printf '#!/bin/sh\\necho v3.265.0\\n' > "$bin/pulumi"
chmod +x "$bin/pulumi"
end
chmod +x "$2/node_modules/.bin/pulumi"`;

function calls(prefix: string): string[] {
  if (!existsSync(inside("calls"))) return [];
  return readFileSync(inside("calls"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith(prefix));
}

async function engineModule() {
  return import("../../engine/engine.ts");
}

async function pulumiServersAre(state: "reachable" | "closed"): Promise<void> {
  const { rememberServers } = await import("../../engine/download.ts");
  rememberServers(state === "reachable");
}

describe("order", () => {
  test("pulumi on the PATH comes first, and downloads its own plugins", async () => {
    pulumiOfVersion("3.250.0");
    await pulumiServersAre("reachable");
    const engine = await (await engineModule()).findEngine();
    expect(engine).toMatchObject({ source: "path", pulumi: inside("bin", "pulumi"), version: "3.250.0" });
    expect(engine.environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"]).toBeUndefined();
    expect(calls("go build")).toEqual([]);
  });

  test("where Pulumi's servers do not answer, the PATH's pulumi gets built plugins", async () => {
    pulumiOfVersion("3.250.0");
    await pulumiServersAre("closed");
    const engine = await (await engineModule()).findEngine();
    engine.linkPlugins(inside("home"));
    expect(engine.source).toBe("path");
    expect(calls("go build")).toHaveLength(2);
    expect(readdirSync(inside("home", "plugins"))).toHaveLength(4);
  });

  test("a pulumi that is too old is passed over", async () => {
    pulumiOfVersion("3.247.9");
    await pulumiServersAre("closed");
    expect((await (await engineModule()).findEngine()).source).toBe("go");
  });

  test("then the npm package, in the cache folder and without its wrapper", async () => {
    tool("npm", npmThatInstalls);
    await pulumiServersAre("reachable");
    const engine = await (await engineModule()).findEngine();
    expect(engine).toMatchObject({ source: "npm", version: "3.265.0" });
    expect(engine.pulumi.startsWith(inside("cache"))).toBe(true);
    expect(engine.pulumi).toMatch(/versions\/3\.265\.0\/bin\/pulumi$/);
    await (await engineModule()).findEngine();
    expect(calls("npm")).toHaveLength(1);
  });

  test("a download that fails gives way to Go modules, and is not tried again for a day", async () => {
    tool("npm", "exit 1");
    await pulumiServersAre("reachable");
    expect((await (await engineModule()).findEngine()).source).toBe("go");
    expect((await (await engineModule()).findEngine()).source).toBe("go");
    expect(calls("npm")).toHaveLength(1);
  });
});

describe("IM_SUITE_HA_ENGINE", () => {
  test("forces one source", async () => {
    pulumiOfVersion("3.250.0");
    vi.stubEnv("IM_SUITE_HA_ENGINE", "go");
    await pulumiServersAre("reachable");
    expect((await (await engineModule()).findEngine()).source).toBe("go");
  });

  test.each([
    ["path", "", /IM_SUITE_HA_ENGINE = "path".*3\.248 or later/],
    ["npm", "exit 1", /could not be downloaded.*IM_SUITE_HA_ENGINE=go/],
    ["docker", "", /IM_SUITE_HA_ENGINE = "docker": expected path, npm or go/],
  ])("%s, where it cannot be, is one sentence", async (value, npm, sentence) => {
    tool("npm", npm);
    vi.stubEnv("IM_SUITE_HA_ENGINE", value);
    await pulumiServersAre("reachable");
    await expect((await engineModule()).findEngine()).rejects.toThrow(sentence);
  });
});

describe("built from Go modules", () => {
  beforeEach(() => pulumiServersAre("closed"));

  test("everything once; a second time builds nothing", async () => {
    const engine = await (await engineModule()).findEngine();
    expect(engine).toMatchObject({ source: "go", version: packageJson.dependencies["@pulumi/pulumi"] });
    expect(engine.environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"]).toBe("true");
    expect(calls("go build")).toHaveLength(4);
    const started = performance.now();
    await (await engineModule()).findEngine();
    expect(performance.now() - started).toBeLessThan(1000);
    expect(calls("go build")).toHaveLength(4);
  });

  test("the program's folder holds the command line and, beside it, the launcher of its language host", async () => {
    const { pulumi } = await (await engineModule()).findEngine();
    expect(readdirSync(join(pulumi, "..")).sort()).toEqual(["language-host", "pulumi", "pulumi-language-nodejs"]);
    expect(readFileSync(join(pulumi, "..", "pulumi-language-nodejs"), "utf8")).toMatch(/-typescript=false/);
  });

  test("plugins lie where Pulumi looks, with the versions of the npm packages, off the PATH", async () => {
    const engine = await (await engineModule()).findEngine();
    engine.linkPlugins(inside("home"));
    for (const name of ["docker", "random", "tls", "command"] as const) {
      const version = packageJson.dependencies[`@pulumi/${name}`];
      const plugin = inside("home", "plugins", `resource-${name}-v${version}`, `pulumi-resource-${name}`);
      expect(statSync(plugin).mode & 0o100).toBe(0o100);
    }
    for (const part of (engine.environment["PATH"] ?? "").split(":").filter((one) => one.startsWith(folder))) {
      expect(readdirSync(part).filter((name) => name.startsWith("pulumi-resource-"))).toEqual([]);
    }
  });

  test("another compiler builds anew, and what it replaced is removed but for the newest", async () => {
    for (const version of ["go1.26.1", "go1.26.2", "go1.26.3", "go1.26.4"]) {
      tool("go", goThatBuilds(version));
      vi.resetModules();
      await (await engineModule()).findEngine();
    }
    expect(calls("go build")).toHaveLength(16);
    const builds = readdirSync(inside("cache", "engine", "go")).filter((name) => name.startsWith("cli-"));
    expect(builds).toHaveLength(3);
  });

  test("what an interrupted build left is removed", async () => {
    const left = inside("cache", "engine", "go", "cli-0123456789ab.999999999");
    mkdirSync(left, { recursive: true });
    await (await engineModule()).findEngine();
    expect(existsSync(left)).toBe(false);
  });

  test.each([
    ["go1.19.8", /Go is go1\.19\.8\. Expected Go 1\.21 or later.*apt-get install golang-go/],
    ["go1.20", /Expected Go 1\.21/],
  ])("%s is too old", async (version, sentence) => {
    tool("go", goThatBuilds(version));
    await expect((await engineModule()).findEngine()).rejects.toThrow(sentence);
  });

  test("no Go is one sentence that says what to type", async () => {
    rmSync(inside("bin", "go"));
    vi.stubEnv("PATH", inside("bin"));
    await expect((await engineModule()).findEngine()).rejects.toThrow(/There is no Go.*apt-get install golang-go/);
  });

  test("a module proxy that does not answer is named as such, and nothing half-built stays", async () => {
    tool("go", 'if [ "$1" = env ]; then echo go1.26.8; exit; fi; echo "dial tcp: i/o timeout" >&2; exit 1');
    await expect((await engineModule()).findEngine()).rejects.toThrow(/i\/o timeout[\s\S]*GOPROXY/);
    expect(readdirSync(inside("cache", "engine", "go"))).toEqual([]);
  });

  test("a compiler's error is shown without advice about networks", async () => {
    tool("go", 'if [ "$1" = env ]; then echo go1.26.8; exit; fi; echo "main.go:3: syntax error" >&2; exit 1');
    const failure = (await engineModule()).findEngine();
    await expect(failure).rejects.toThrow(/syntax error[\s\S]*engine\.log/);
    await expect(failure).rejects.not.toThrow(/GOPROXY/);
  });
});

describe("the lab's Pulumi", () => {
  test("has state, home, passphrase and project folder of its own", async () => {
    vi.stubEnv("PULUMI_CONFIG_PASSPHRASE", "the operator's");
    vi.stubEnv("PULUMI_ACCESS_TOKEN", "the operator's");
    await pulumiServersAre("closed");
    const lab = await import("../../engine/lab-pulumi.ts");
    const environment = await lab.labPulumiEnvironment(await (await engineModule()).findEngine());
    for (const name of ["PULUMI_HOME", "PULUMI_CONFIG_PASSPHRASE_FILE"]) {
      expect(environment[name]?.startsWith(inside("cache", "lab"))).toBe(true);
    }
    expect(environment["PULUMI_BACKEND_URL"]).toBe(`file://${inside("cache", "lab", "state")}`);
    expect(environment).toMatchObject({ PULUMI_CONFIG_PASSPHRASE: undefined, PULUMI_ACCESS_TOKEN: undefined });
    const passphrase = environment["PULUMI_CONFIG_PASSPHRASE_FILE"] ?? "";
    expect(statSync(passphrase).mode & 0o777).toBe(0o600);
    const before = readFileSync(passphrase, "utf8");
    await lab.labPulumiEnvironment(await (await engineModule()).findEngine());
    expect(readFileSync(passphrase, "utf8")).toBe(before);
    expect(before.length).toBeGreaterThan(20);
  });

  test("runs the repository's program from a folder that is not the repository", async () => {
    const lab = await import("../../engine/lab-pulumi.ts");
    const project = parse(readFileSync(join(lab.labProjectFolder(), "Pulumi.yaml"), "utf8"));
    expect(project).toMatchObject({ name: "im-suite-ha", runtime: { name: "nodejs", options: { typescript: false } } });
    expect(existsSync(project.main)).toBe(true);
    expect(lab.labConfigurationFile("stage1")).toBe(inside("cache", "lab", "config", "Pulumi.stage1.yaml"));
  });

  test("takes file names from where the person is", async () => {
    const { withAbsoluteFiles } = await import("../../engine/lab-pulumi.ts");
    const args = ["stack", "export", "--file", "out.json", "--plan=p.json", "-s", "stage1", "--file=/abs.json"];
    expect(withAbsoluteFiles(args, "/home/me")).toEqual([
      ...["stack", "export", "--file", "/home/me/out.json", "--plan=/home/me/p.json", "-s", "stage1"],
      "--file=/abs.json",
    ]);
  });
});
