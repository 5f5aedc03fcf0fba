import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { OperatorError } from "../lib/errors.ts";
import { shortHash } from "../lib/hash.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { run } from "../lib/process.ts";
import { step } from "../lib/progress.ts";

/** One Go module under engine/go and how its program is built. */
export interface GoModule {
  readonly folder: string;
  /** Package to build. */
  readonly target: string;
  readonly tags: readonly string[];
  readonly linkerFlags: string;
  /** For the progress line. */
  readonly title: string;
}

/** The oldest Go that the modules' go.mod files accept. */
const oldestGo = [1, 25] as const;

/**
 * Builds a Go module once for its content and the compiler's version.
 * @returns the program's absolute path in the cache.
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
    const output = join(partial, module.folder);
    const built = await run(
      "go",
      [
        "build",
        "-v",
        "-mod=readonly",
        "-trimpath",
        ...(module.tags.length === 0 ? [] : ["-tags", module.tags.join(",")]),
        "-ldflags",
        `-s -w ${module.linkerFlags}`.trim(),
        "-o",
        output,
        module.target,
      ],
      {
        cwd: source,
        environment: { CGO_ENABLED: "0" },
        timeoutSeconds: 3600,
        logFile,
        // `go build -v` names each package as it is compiled, and each module as it comes down.
        onLine: (line) => progress.detail(line),
      },
    );
    if (built.exitCode !== 0) {
      rmSync(partial, { recursive: true, force: true });
      const tail = built.stderr.trim().split("\n").slice(-8).join("\n");
      throw new OperatorError(
        `Building "${module.title}" failed:\n${tail}\nThe whole output: ${logFile}\nWhere Go's module proxy is slow or closed, name another: go env -w GOPROXY=<address>`,
      );
    }
    rmSync(dirname(program), { recursive: true, force: true });
    renameSync(partial, dirname(program));
  });
  return program;
}

async function goVersion(): Promise<string> {
  let version: string;
  try {
    version = (await run("go", ["env", "GOVERSION"], { timeoutSeconds: 20 })).stdout.trim();
  } catch {
    throw new OperatorError(
      `Pulumi's download servers do not answer, so its engine must be built, and Go is not on the PATH. Install Go ${oldestGo.join(".")} or later (your distribution's backports, or a mirror of go.dev/dl) and run this again.`,
    );
  }
  const [major = 0, minor = 0] = version.replace(/^go/, "").split(".").map(Number);
  if (major < oldestGo[0] || (major === oldestGo[0] && minor < oldestGo[1])) {
    throw new OperatorError(`Go is ${version}. Expected ${oldestGo.join(".")} or later to build Pulumi's engine.`);
  }
  return version;
}

/** Paths and contents of a module's files, in a stable order. */
function contents(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith("_test.go"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .flatMap((file) => [file.slice(folder.length), readFileSync(file, "utf8")]);
}
