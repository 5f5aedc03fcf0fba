import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { OperatorError } from "../lib/errors.ts";
import { shortHash } from "../lib/hash.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { run } from "../lib/process.ts";
import { step } from "../lib/progress.ts";

/** One Go module under engine/go and how its program is built. */
export interface GoModule {
  /** Its folder's name, which is also the program's. */
  readonly folder: string;
  /** Package to build. */
  readonly target: string;
  readonly tags: readonly string[];
  readonly linkerFlags: string;
  /** For the progress line. */
  readonly title: string;
}

/** From 1.21 on, Go fetches the newer toolchain that a go.mod asks for through the same module proxy. */
const oldestGo = [1, 21] as const;

/** How many builds of one module stay in the cache: switching between two branches must not build every time. */
const keptBuilds = 3;

/**
 * Builds a Go module once for its content, its settings and the compiler's version.
 * @returns the program's absolute path in the cache.
 * @throws OperatorError when Go is missing or too old, or the build fails.
 */
export async function buildGoModule(module: GoModule): Promise<string> {
  const source = join(repositoryRoot, "engine", "go", module.folder);
  const key = `${module.folder}-${shortHash(JSON.stringify([await goVersion(), module, ...contents(source)]))}`;
  const program = cacheDirectory("engine", "go", key, module.folder);
  if (existsSync(program)) return program;
  const logFile = cacheDirectory("logs", "engine.log");
  await step(`Building: ${module.title} (from Go modules)`, async (progress) => {
    const partial = `${dirname(program)}.${process.pid}`;
    mkdirSync(partial, { recursive: true });
    const flags = ["build", "-v", "-mod=readonly", "-trimpath"];
    if (module.tags.length > 0) flags.push("-tags", module.tags.join(","));
    flags.push("-ldflags", `-s -w ${module.linkerFlags}`.trim(), "-o", join(partial, module.folder), module.target);
    const built = await run("go", flags, {
      cwd: source,
      // Some distributions forbid Go to fetch a newer toolchain for a module that asks for one.
      environment: { CGO_ENABLED: "0", GOTOOLCHAIN: process.env["GOTOOLCHAIN"] ?? "auto" },
      timeoutSeconds: 3600,
      logFile,
      // `go build -v` names each package as it is compiled, and each module as it comes down.
      onLine: (line) => progress.detail(line),
    });
    if (built.exitCode !== 0) {
      rmSync(partial, { recursive: true, force: true });
      throw new OperatorError(buildError(module, built.stderr, logFile));
    }
    rmSync(dirname(program), { recursive: true, force: true });
    renameSync(partial, dirname(program));
    removeOldBuilds(module.folder);
  });
  return program;
}

function buildError(module: GoModule, stderr: string, logFile: string): string {
  const tail = stderr.trim().split("\n").slice(-8).join("\n");
  const unreachable = /dial tcp|no such host|i\/o timeout|connection refused|TLS handshake|40[34]|5\d\d /.test(tail);
  const advice = unreachable
    ? "\nGo's module proxy does not answer well. Name a mirror that you can reach and run this again: go env -w GOPROXY=<address>,direct"
    : "";
  return `Building "${module.title}" failed:\n${tail}\nThe whole output: ${logFile}${advice}`;
}

let rememberedGoVersion: string | undefined;

async function goVersion(): Promise<string> {
  rememberedGoVersion ??= await askGoVersion();
  return rememberedGoVersion;
}

async function askGoVersion(): Promise<string> {
  const advice = `Expected Go ${oldestGo.join(".")} or later on the PATH, to build Pulumi's engine, because its download servers do not answer. On Debian 13 or Ubuntu 24.04 type: apt-get install golang-go. On an older one unpack the archive of go.dev/dl or of a mirror to /usr/local, type: export PATH=$PATH:/usr/local/go/bin. Then run this again.`;
  let version: string;
  try {
    version = (await run("go", ["env", "GOVERSION"], { timeoutSeconds: 20 })).stdout.trim();
  } catch {
    throw new OperatorError(`There is no Go on this machine. ${advice}`);
  }
  const [major = 0, minor = 0] = version.replace(/^go/, "").split(".").map(Number);
  if (major < oldestGo[0] || (major === oldestGo[0] && minor < oldestGo[1])) {
    throw new OperatorError(`Go is ${version || "too old to say its version"}. ${advice}`);
  }
  return version;
}

/** Paths and contents of a module's files, in a stable order. Tests do not reach the program. */
function contents(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith("_test.go") && !entry.name.endsWith(".md"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .flatMap((file) => [file.slice(folder.length), readFileSync(file, "utf8")]);
}

/** Removes builds of a module that newer ones have replaced, and what an interrupted build left. */
function removeOldBuilds(name: string): void {
  const folder = cacheDirectory("engine", "go");
  const mine = readdirSync(folder).filter((entry) => entry.startsWith(`${name}-`));
  const complete = mine
    .filter((entry) => !entry.includes("."))
    .sort((a, b) => statSync(join(folder, b)).mtimeMs - statSync(join(folder, a)).mtimeMs);
  const abandoned = mine.filter((entry) => entry.includes(".") && !isRunning(Number(entry.split(".").at(-1))));
  for (const entry of [...complete.slice(keptBuilds), ...abandoned]) {
    rmSync(join(folder, entry), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
