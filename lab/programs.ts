import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { OperatorError } from "../lib/errors.ts";
import { shortHash } from "../lib/hash.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { runChecked } from "../lib/process.ts";
import { step } from "../lib/progress.ts";
import { labLog, onPath } from "./docker.ts";

/** Programs of the lab that are compiled on this machine, kept in the cache by version or by the hash of their source. */
const programsDirectory = cacheDirectory("lab", "programs");

/** MinIO publishes no images any more; its module is the newest source there is. */
export const minioVersion = "v0.0.0-20260212201848-7aac2a2c5b7c";

/** Compiles MinIO. @returns the path of the program. */
export async function buildMinio(): Promise<string> {
  return await buildOnce(`minio-${minioVersion}`, "Compile MinIO from its Go module (about 4 minutes the first time)", {
    arguments: ["install", ...goFlags, `github.com/minio/minio@${minioVersion}`],
    result: "minio",
  });
}

/** Debian's is too old for payload templates (0.32), without which Alertmanager cannot write to a group robot. */
export const alertmanagerVersion = "v0.34.2";

/** Compiles Alertmanager and amtool. @returns the paths of the programs. */
export async function buildAlertmanager(): Promise<Record<"alertmanager" | "amtool", string>> {
  const module = `github.com/prometheus/alertmanager@${alertmanagerVersion}`;
  const build = (program: string) =>
    buildOnce(`${program}-${alertmanagerVersion}`, `Compile ${program} from its Go module`, {
      arguments: ["install", ...goFlags, "-mod=readonly", `./cmd/${program}`],
      result: program,
      prepare: async (work) => {
        const downloaded = await runChecked("go", ["mod", "download", "-json", module], {
          cwd: work,
          environment: { GOFLAGS: undefined },
          timeoutSeconds: 600,
          logFile: labLog,
        });
        const source = join(work, "source");
        cpSync((JSON.parse(downloaded.stdout) as { Dir: string }).Dir, source, { recursive: true });
        // Go's module cache is read-only, and the copy of it too.
        await runChecked("chmod", ["-R", "u+w", source]);
        // The web interface is built by other tools and is not in the module; the API, which the lab uses, needs no page.
        const pages = join(source, "ui", "app", "dist");
        mkdirSync(pages, { recursive: true });
        writeFileSync(
          join(pages, "index.html"),
          "<!doctype html><title>Alertmanager</title><p>No web interface here.\n",
        );
        return source;
      },
    });
  // One after the other: the second finds most of its packages compiled.
  const alertmanager = await build("alertmanager");
  return { alertmanager, amtool: await build("amtool") };
}

export type SampleProgram = "im-backend" | "im-admin" | "im-traffic";

const sampleSuite = join(repositoryRoot, "lab", "sample-suite");

/** Stands for the source of the sample suite: everything that a Go build reads. */
function sampleSuiteHash(): string {
  const files = readdirSync(sampleSuite, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith("_test.go"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return shortHash(files.map((file) => `${relative(sampleSuite, file)}\0${readFileSync(file, "utf8")}`).join("\0"));
}

/** Whether the source of this program is there. */
export function sampleProgramExists(program: SampleProgram): boolean {
  return existsSync(join(sampleSuite, "cmd", program, "main.go"));
}

/** Compiles a program of the sample suite. @returns its path; a changed source is a new path. */
export async function buildSampleProgram(program: SampleProgram): Promise<string> {
  return await buildOnce(`${program}-${sampleSuiteHash()}`, `Compile ${program}`, {
    arguments: ["install", ...goFlags, "-mod=readonly", `./cmd/${program}`],
    result: program,
    directory: sampleSuite,
  });
}

/**
 * Without the C library (the image need not match), without this machine's paths and the commit (the same source must give
 * the same program), without debugging tables.
 */
const goFlags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w"];

async function buildOnce(
  name: string,
  title: string,
  build: {
    arguments: readonly string[];
    result: string;
    directory?: string;
    /** Puts the source into the folder of this build. @returns where it is. */
    prepare?: (work: string) => Promise<string>;
  },
): Promise<string> {
  const target = join(programsDirectory, name);
  if (existsSync(target)) return target;
  if (!(await onPath("go"))) {
    throw new OperatorError(
      `The lab has to compile ${build.result}, because no image of it can be pulled, and Go is not on this machine. On Debian or Ubuntu type: apt-get install golang`,
    );
  }
  return await step(title, async (progress) => {
    const work = join(programsDirectory, `.${name}.${process.pid}`);
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    try {
      const directory = (await build.prepare?.(work)) ?? build.directory;
      // A build of minutes must leave the machine usable.
      await runChecked("nice", ["-n", "15", "go", ...build.arguments], {
        ...(directory === undefined ? {} : { cwd: directory }),
        environment: { GOBIN: work, CGO_ENABLED: "0", GOFLAGS: undefined },
        timeoutSeconds: 3600,
        logFile: labLog,
        onLine: (line) => progress.detail(line),
      });
      renameSync(join(work, build.result), target);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    return target;
  });
}
