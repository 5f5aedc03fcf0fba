import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory } from "../lib/paths.ts";
import { type RunOptions, type RunResult, run, runChecked } from "../lib/process.ts";
import { type Step, step } from "../lib/progress.ts";

/** Everything the lab does by itself is written here, for the day when something goes wrong. */
export const labLog = cacheDirectory("lab", "lab.log");

/** Runs the docker client; it must succeed. */
export async function docker(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return await runChecked("docker", args, { logFile: labLog, ...options });
}

/** Runs the docker client and returns its trimmed output, or undefined when it failed (no such container, image …). */
export async function dockerQuery(args: readonly string[]): Promise<string | undefined> {
  const result = await run("docker", args, { timeoutSeconds: 60 });
  return result.exitCode === 0 ? result.stdout.trim() : undefined;
}

/** Whether the engine has this image. */
export async function imageExists(reference: string): Promise<boolean> {
  return (await dockerQuery(["image", "inspect", "--format", "{{.Id}}", reference])) !== undefined;
}

/** `running`, `exited`, … or undefined when there is no such container. */
export async function containerState(name: string): Promise<string | undefined> {
  return await dockerQuery(["container", "inspect", "--format", "{{.State.Status}}", name]);
}

let ready: Promise<void> | undefined;

/**
 * Makes sure that a Docker Engine answers: the one that is there, or on Debian and Ubuntu as root one that we install and
 * start. An engine that we did not start is used as it is, never configured, started or stopped.
 * @throws OperatorError with what to type when the operator has to act.
 */
export async function ensureDocker(): Promise<void> {
  ready ??= findOrStartDocker();
  await ready;
}

async function findOrStartDocker(): Promise<void> {
  const first = await ask();
  if (first.answers) return;
  const state = await readDockerState(first.complaint);
  const advice = adviceForDocker(state);
  if (advice !== undefined) throw new OperatorError(advice);
  if (!state.engineInstalled) await step("Install Docker Engine from this machine's apt", installDocker);
  // A package installed under systemd starts its service by itself.
  if (state.systemd) {
    if (await answersWithin(60)) return;
    throw new OperatorError("Docker was installed but does not answer. Type: systemctl status docker");
  }
  await step("Start Docker Engine", startDockerd);
}

/** What decides who has to act. Plain data, so that the decision can be tested without a machine of each kind. */
export interface DockerState {
  readonly complaint: string;
  readonly dockerHost: string | undefined;
  readonly root: boolean;
  readonly systemd: boolean;
  readonly engineInstalled: boolean;
  readonly serviceExists: boolean;
  readonly apt: boolean;
}

/** One sentence for the operator when we must not, or cannot, help ourselves; undefined when we can. */
export function adviceForDocker(state: DockerState): string | undefined {
  if (state.dockerHost !== undefined) {
    return `No Docker Engine answers at DOCKER_HOST = ${JSON.stringify(state.dockerHost)}. Start that engine, or type: unset DOCKER_HOST`;
  }
  if (/permission denied/i.test(state.complaint)) {
    return "This user may not use the Docker Engine of this machine. Run this as root, or type: sudo usermod -aG docker $USER and log in again.";
  }
  const sudo = state.root ? "" : "sudo ";
  if (state.systemd && state.serviceExists) {
    return `Docker Engine is installed but not running. Type: ${sudo}systemctl start docker`;
  }
  if (!state.root && state.engineInstalled) return "Docker Engine is installed but not running. Type: sudo dockerd &";
  if (!state.engineInstalled && !state.apt) {
    return "The lab needs Docker Engine, and this is not Debian or Ubuntu, where it could install it. Install Docker Engine, then run this again.";
  }
  if (!state.root) return "The lab needs Docker Engine. Type: sudo apt-get install docker.io iptables";
  return undefined;
}

async function readDockerState(complaint: string): Promise<DockerState> {
  const systemd = existsSync("/run/systemd/system");
  return {
    complaint,
    dockerHost: process.env["DOCKER_HOST"],
    root: process.getuid?.() === 0,
    systemd,
    engineInstalled: await onPath("dockerd"),
    serviceExists: systemd && (await run("systemctl", ["cat", "docker.service"])).exitCode === 0,
    apt: (await onPath("apt-get")) && /^(ID|ID_LIKE)=.*(debian|ubuntu)/m.test(readIfThere("/etc/os-release")),
  };
}

/** Whether a command is on the PATH (sbin included, where an ordinary user's PATH may not look). */
export async function onPath(command: string): Promise<boolean> {
  const result = await run("sh", ["-c", 'PATH="$PATH:/usr/sbin:/sbin" command -v "$1"', "sh", command]);
  return result.exitCode === 0;
}

async function ask(): Promise<{ answers: boolean; complaint: string }> {
  try {
    const result = await run("docker", ["version", "--format", "{{.Server.Version}}"], { timeoutSeconds: 15 });
    return { answers: result.exitCode === 0 && result.stdout.trim() !== "", complaint: result.stderr };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { answers: false, complaint: "no docker client" };
    throw error;
  }
}

async function answersWithin(seconds: number): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    if ((await ask()).answers) return true;
    await sleep(500);
  }
  return false;
}

async function installDocker(progress: Step): Promise<void> {
  await installPackages(["docker.io", "iptables"], progress);
}

/** Installs Debian packages on this machine. The caller has made sure that it is root on Debian or Ubuntu. */
export async function installPackages(packages: readonly string[], progress: Step): Promise<void> {
  const options: RunOptions = {
    environment: { DEBIAN_FRONTEND: "noninteractive" },
    timeoutSeconds: 900,
    logFile: labLog,
    onLine: (line) => progress.detail(line),
  };
  // Another apt may be at work (a fresh machine updates itself): wait for its lock instead of failing.
  const apt = ["-o", "DPkg::Lock::Timeout=300", "-q"];
  await runChecked("apt-get", [...apt, "update"], options);
  await runChecked("apt-get", [...apt, "install", "-y", "--no-install-recommends", ...packages], options);
}

async function startDockerd(progress: Step): Promise<void> {
  const directory = cacheDirectory("lab");
  mkdirSync(directory, { recursive: true });
  // Left behind by a machine that was switched off: the number may belong to another process now, and dockerd would
  // believe that it already runs.
  removeStalePid("/var/run/docker.pid", "dockerd");
  removeStalePid("/var/run/docker/containerd/containerd.pid", "containerd");
  const logFile = cacheDirectory("lab", "dockerd.log");
  const log = openSync(logFile, "a", 0o600);
  const child = spawn("dockerd", [], {
    cwd: "/",
    // A session of its own: it must outlive this terminal.
    detached: true,
    stdio: ["ignore", log, log],
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  });
  closeSync(log);
  if (child.pid !== undefined) writeFileSync(cacheDirectory("lab", "dockerd.pid"), `${child.pid}\n`);
  let ended = false;
  child.on("error", () => {
    ended = true;
  });
  child.on("exit", () => {
    ended = true;
  });
  child.unref();
  progress.detail(`log: ${logFile}`);
  const end = performance.now() + 90_000;
  while (performance.now() < end && !ended) {
    if ((await ask()).answers) return;
    await sleep(300);
  }
  const tail = readIfThere(logFile).trim().split("\n").slice(-5).join("\n");
  throw new OperatorError(`dockerd did not start. The end of ${logFile}:\n${tail}`);
}

function removeStalePid(file: string, expectedName: string): void {
  const pid = readIfThere(file).trim();
  if (pid === "") return;
  if (readIfThere(`/proc/${pid}/comm`).trim() !== expectedName) rmSync(file, { force: true });
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
