import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory } from "../lib/paths.ts";
import { run } from "../lib/process.ts";
import { step } from "../lib/progress.ts";

/** The official npm package that downloads the command line. Newer command lines serve the older @pulumi/pulumi of package.json. */
const wrapperVersion = "3.265.0";

const server = "https://get.pulumi.com/";
const answerWithinMilliseconds = 5000;
const rememberedForMilliseconds = 86_400_000;

const answerFile = () => cacheDirectory("engine", "pulumi-servers.json");

/** Asks Pulumi's download server once, for at most 5 s. The answer counts for a day, so that warm starts do not ask again. */
export async function pulumiServersReachable(): Promise<boolean> {
  const remembered = rememberedAnswer();
  if (remembered !== undefined) return remembered;
  let reachable = false;
  try {
    const answer = await fetch(server, { method: "HEAD", signal: AbortSignal.timeout(answerWithinMilliseconds) });
    reachable = answer.status < 500;
  } catch {
    // No route, refused, or too slow: all mean the same here.
  }
  rememberServers(reachable);
  return reachable;
}

function rememberedAnswer(): boolean | undefined {
  const file = answerFile();
  if (!existsSync(file) || Date.now() - statSync(file).mtimeMs > rememberedForMilliseconds) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")).reachable === true;
  } catch {
    // Cut short by a power failure: ask again.
    return undefined;
  }
}

/** Notes for a day whether Pulumi's servers are of use: also false when they answered but a download then failed. */
export function rememberServers(reachable: boolean): void {
  mkdirSync(dirname(answerFile()), { recursive: true });
  writeFileSync(answerFile(), JSON.stringify({ reachable }));
}

/**
 * The command line as the official npm package downloads it, both in the cache folder and not in the project.
 * @returns its absolute path.
 * @throws OperatorError when npm or the download fails.
 */
export async function downloadedPulumi(): Promise<string> {
  const folder = cacheDirectory("engine", "npm", wrapperVersion);
  // The wrapper keeps the program below PULUMI_HOME and would download it again for each one: so it gets one of its own, and
  // the program is called without the wrapper.
  const home = join(folder, "home");
  const pulumi = join(home, "versions", wrapperVersion, "bin", "pulumi");
  const complete = join(folder, "complete");
  if (existsSync(complete) && existsSync(pulumi)) return pulumi;
  const logFile = cacheDirectory("logs", "engine.log");
  await step(`Downloading: Pulumi ${wrapperVersion} (npm)`, async (progress) => {
    // What an interrupted download left would count as the program.
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const options = { logFile, onLine: progress.detail, environment: { PULUMI_HOME: home } };
    const arguments_ = ["install", "--no-audit", "--no-fund", "--prefix", folder, `pulumi@${wrapperVersion}`];
    const installed = await run("npm", arguments_, { ...options, timeoutSeconds: 120 });
    const wrapper = join(folder, "node_modules", ".bin", "pulumi");
    const first =
      installed.exitCode === 0 ? await run(wrapper, ["version"], { ...options, timeoutSeconds: 900 }) : installed;
    if (first.exitCode !== 0 || !existsSync(pulumi)) {
      throw new OperatorError(
        `Pulumi ${wrapperVersion} could not be downloaded (the log is ${logFile}). To build it from Go modules instead, set IM_SUITE_HA_ENGINE=go and run this again.`,
      );
    }
    writeFileSync(complete, "");
  });
  return pulumi;
}
