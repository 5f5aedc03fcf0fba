import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { forgetLabStacks } from "../engine/lab-pulumi.ts";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory } from "../lib/paths.ts";
import { type RunResult, run } from "../lib/process.ts";
import { elapsed, type Step, step } from "../lib/progress.ts";
import { remoteCommand, script } from "../lib/shell.ts";
import { type SshServer, sshOptions } from "../lib/ssh.ts";
import {
  type LabAlias,
  type LabServer,
  labAliases,
  labLabel,
  labNetwork,
  labServers,
  requireLabAddress,
} from "./addresses.ts";
import { type EngineImages, ensureEngineImages } from "./build-image.ts";
import { containerState, docker, dockerQuery, ensureDocker, installPackages, onPath } from "./docker.ts";
import {
  ensureKeys,
  ensureRegistryCertificate,
  hostKeyDirectory,
  labPrivateKeyFile,
  labPublicKey,
  pinnedHostKey,
} from "./keys.ts";
import { withLabLock } from "./lab-lock.ts";
import { ensureNetwork, removeNetwork } from "./network.ts";
import { ensureRegistry, labRegistry } from "./registry.ts";

export { type LabAlias, type LabServer, labAliases, labServers, requireLabAddress } from "./addresses.ts";

/** The image that a server was made from, to notice a definition that has changed since. */
const imageLabel = "im-suite-ha.server-image";

export interface LabUpOptions {
  /** Which servers; all three by default. */
  readonly aliases?: readonly LabAlias[];
}

/**
 * Brings the servers and the registry up: makes what is missing, starts what is stopped, leaves alone what runs. Safe to
 * repeat, and to run beside another process that does the same.
 * @throws OperatorError with what to type.
 */
export async function labUp(options: LabUpOptions = {}): Promise<void> {
  const aliases = options.aliases ?? labAliases;
  await withLabLock(async () => {
    await ensureTools();
    await ensureDocker();
    const images = await ensureEngineImages();
    await ensureKeys(labAliases);
    await ensureNetwork();
    await ensureRegistry();
    await step(
      `Start ${aliases.length === 1 ? "server" : "servers"} ${aliases.join(", ").toUpperCase()}`,
      async (progress) => {
        const flags = await containerFlags(images.server);
        await Promise.all(aliases.map((alias) => startServer(labServers[alias], images, flags, progress)));
      },
    );
  });
}

/** The lab's own tools. Installed where we may; else the operator is told what to type. */
async function ensureTools(): Promise<void> {
  const packages = { ssh: "openssh-client", "ssh-keygen": "openssh-client", openssl: "openssl", ip: "iproute2" };
  const missing = new Map<string, string>();
  for (const [command, name] of Object.entries(packages)) {
    if (!(await onPath(command))) missing.set(command, name);
  }
  if (missing.size === 0) return;
  const names = [...new Set(missing.values())];
  if (process.getuid?.() === 0 && (await onPath("apt-get"))) {
    await step(`Install ${names.join(", ")}`, async (progress) => await installPackages(names, progress));
    return;
  }
  throw new OperatorError(
    `The lab needs ${[...missing.keys()].join(", ")}. On Debian or Ubuntu type: sudo apt-get install ${names.join(" ")}`,
  );
}

/**
 * What systemd and an inner Docker Engine need. `--privileged` is the usual way; a machine that withholds a capability even
 * from root (CAP_SYS_RESOURCE, in some sandboxes) refuses it, and the same is then spelled out without that one.
 */
async function containerFlags(image: string): Promise<readonly string[]> {
  const trial = await run("docker", [
    "run",
    "--rm",
    "--privileged",
    "--network",
    "none",
    "--entrypoint",
    "true",
    image,
  ]);
  const always = ["--cgroupns", "private"];
  if (trial.exitCode === 0) return [...always, "--privileged"];
  return [
    ...always,
    ...["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"],
    ...["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"].flatMap((o) => ["--security-opt", o]),
    ...["--device-cgroup-rule", "a *:* rwm"],
  ];
}

async function startServer(
  server: LabServer,
  images: EngineImages,
  flags: readonly string[],
  progress: Step,
): Promise<void> {
  const image = server.withDocker ? images.serverWithDocker : images.server;
  const state = await containerState(server.container);
  if (state === undefined) {
    await createServer(server, image, flags);
  } else {
    await refuseForeignContainer(server);
    const made = await dockerQuery([
      "container",
      "inspect",
      "--format",
      `{{index .Config.Labels "${imageLabel}"}}`,
      server.container,
    ]);
    if (made !== image) {
      progress.note(
        `${server.container} keeps running from an older definition; "npm run lab -- reset" makes it anew.`,
      );
    }
  }
  if (state === "paused") await docker(["unpause", server.container]);
  else if (state !== "running") await docker(["start", server.container]);
  await untilReady(server, 90);
}

async function refuseForeignContainer(server: LabServer): Promise<void> {
  const [key = ""] = labLabel.split("=");
  const label = await dockerQuery([
    "container",
    "inspect",
    "--format",
    `{{index .Config.Labels "${key}"}}`,
    server.container,
  ]);
  if (label !== "true") {
    throw new OperatorError(
      `There is a container ${server.container} that the lab did not make. Rename it: docker rename ${server.container} ${server.container}-mine`,
    );
  }
}

async function createServer(server: LabServer, image: string, flags: readonly string[]): Promise<void> {
  const volumes = ["docker", "containerd"] as const;
  for (const name of volumes) await docker(["volume", "create", "--label", labLabel, `${server.container}-${name}`]);
  await docker([
    ...["create", "--name", server.container, "--hostname", server.container],
    ...["--label", labLabel, "--label", `${imageLabel}=${image}`],
    ...["--network", labNetwork.name, "--ip", server.address],
    // A rented server that is told to reboot comes back; one that is switched off (docker kill, stop) stays off.
    ...["--restart", "on-failure", "--stop-timeout", "60"],
    ...["--tmpfs", "/run:exec,mode=755"],
    ...volumes.flatMap((name) => ["--volume", `${server.container}-${name}:/var/lib/${name}`]),
    ...flags,
    image,
  ]);
  try {
    await layIn(server);
  } catch (error) {
    // A server without its keys would be found again, and be unreachable for ever.
    await run("docker", ["rm", "--force", server.container]);
    throw error;
  }
}

/** Puts into a new server, before its first boot, what a hosting provider would: host keys, our key, the registry's authority. */
async function layIn(server: LabServer): Promise<void> {
  const root = cacheDirectory("lab", "build", `root-${server.alias}`);
  rmSync(root, { recursive: true, force: true });
  const registry = await ensureRegistryCertificate(labRegistry.address);
  const place = (path: string, content: string | Buffer, mode: number) => {
    const file = join(root, path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  };
  const keys = hostKeyDirectory(server.alias);
  for (const type of ["ed25519", "ecdsa", "rsa"]) {
    const name = `ssh_host_${type}_key`;
    place(`etc/ssh/${name}`, readFileSync(join(keys, name)), 0o600);
    place(`etc/ssh/${name}.pub`, readFileSync(join(keys, `${name}.pub`)), 0o644);
  }
  place("root/.ssh/authorized_keys", labPublicKey(), 0o600);
  place(`etc/docker/certs.d/${labRegistry.name}/ca.crt`, readFileSync(registry.authority), 0o644);
  for (const [directory, mode] of Object.entries({ "": 0o755, root: 0o700, "root/.ssh": 0o700, etc: 0o755 })) {
    chmodSync(join(root, directory), mode);
  }
  // docker cp makes everything root's and keeps the modes.
  await docker(["cp", `${root}/.`, `${server.container}:/`]);
  rmSync(root, { recursive: true, force: true });
}

/** Waits until ssh answers, systemd has finished booting and (where it is installed) Docker answers. */
async function untilReady(server: LabServer, seconds: number): Promise<void> {
  const started = performance.now();
  const left = () => seconds - (performance.now() - started) / 1000;
  let last = "no answer";
  while (left() > 0) {
    const result = await runSsh(
      server.alias,
      script(
        // "degraded" is an answer too: which unit failed is said by `npm run lab -- status`.
        "timeout 45 systemctl is-system-running --wait || true",
        "if systemctl is-enabled --quiet docker.service 2>/dev/null; then timeout 30 bash -c 'until docker info >/dev/null 2>&1; do sleep 0.2; done'; fi",
      ),
      { timeoutSeconds: Math.max(10, Math.min(80, left())) },
    );
    if (result.exitCode === 0) return;
    last = result.stderr.trim().split("\n").at(-1) || `exit code ${result.exitCode}`;
    if ((await containerState(server.container)) === "exited") break;
    await sleep(200);
  }
  throw new OperatorError(
    `Server ${server.container} (${server.address}) is not ready after ${elapsed((performance.now() - started) / 1000)}: ${last}. ` +
      `Its log: npm run lab -- logs ${server.alias}. The Docker Engine must run on this machine itself, not rootless and not in a virtual machine.`,
  );
}

/** Stops the servers and the registry; all data stays. */
export async function labDown(): Promise<void> {
  await withLabLock(async () => {
    await ensureDocker();
    const running = await ownContainers("status=running", "status=paused");
    if (running.length === 0) return;
    await step("Stop the servers", async () => {
      await Promise.all(
        running.map(async (name) => {
          if ((await containerState(name)) === "paused") await docker(["unpause", name]);
          await docker(["stop", name]);
        }),
      );
    });
  });
}

/**
 * Throws servers and their data away, with the stacks that know them: the named ones, or the whole lab with its registry container and
 * its network. Images, keys and everything else in the cache stay.
 */
export async function labReset(aliases?: readonly LabAlias[]): Promise<void> {
  await withLabLock(async () => {
    await ensureDocker();
    const wanted = aliases?.map((alias) => labServers[alias].container);
    const title = wanted === undefined ? "Throw the servers away" : `Throw ${wanted.join(", ")} away`;
    await step(title, async () => {
      const containers = (await ownContainers()).filter((name) => wanted?.includes(name) ?? true);
      if (containers.length > 0) await docker(["rm", "--force", "--volumes", ...containers]);
      const volumes = (await dockerQuery(["volume", "ls", "--quiet", "--filter", `label=${labLabel}`])) ?? "";
      const names = volumes
        .split("\n")
        .filter((name) => name !== "" && (wanted?.some((server) => name.startsWith(`${server}-`)) ?? true));
      if (names.length > 0) await docker(["volume", "rm", ...names]);
      forgetLabStacks((aliases ?? labAliases).map((alias) => labServers[alias].address));
      if (wanted === undefined) await removeNetwork();
    });
  });
}

/** Names of the lab's containers. Only what carries the lab's label, whatever else has a similar name. */
async function ownContainers(...filters: readonly string[]): Promise<string[]> {
  const all = [`label=${labLabel}`, "name=^im-lab-", ...filters].flatMap((filter) => ["--filter", filter]);
  const listed = await dockerQuery(["ps", "--all", "--format", "{{.Names}}", ...all]);
  return (listed ?? "").split("\n").filter((name) => name !== "");
}

export interface LabServerStatus {
  readonly name: string;
  readonly address: string;
  /** Docker's word for the container: running, exited, paused; `none` when it was never made. */
  readonly state: string;
  /** systemd's word: running, degraded, starting; empty when ssh gives no answer. */
  readonly system: string;
  readonly failedUnits: readonly string[];
  /** Names of the running containers inside; undefined when Docker is not installed there. */
  readonly containers: readonly string[] | undefined;
}

/** What the servers are doing now. Changes nothing; a server that does not answer costs 10 s at most. */
export async function labStatus(): Promise<LabServerStatus[]> {
  await ensureDocker();
  return await Promise.all(
    labAliases.map(async (alias) => {
      const server = labServers[alias];
      const state = (await containerState(server.container)) ?? "none";
      const unknown = {
        name: server.container,
        address: server.address,
        state,
        system: "",
        failedUnits: [],
        containers: undefined,
      };
      if (state !== "running") return unknown;
      const answer = await runSsh(
        alias,
        script(
          "echo system $(systemctl is-system-running || true)",
          "systemctl list-units --failed --plain --no-legend | while read -r unit _; do echo failed $unit; done",
          "if command -v docker >/dev/null; then echo docker; docker ps --format 'container {{.Names}}' || true; fi",
        ),
        { timeoutSeconds: 10 },
      );
      if (answer.exitCode !== 0) return unknown;
      const lines = answer.stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" "));
      const values = (word: string) => lines.filter((line) => line[0] === word).map((line) => line[1] ?? "");
      return {
        ...unknown,
        system: values("system")[0] ?? "",
        failedUnits: values("failed"),
        containers: values("docker").length > 0 ? values("container") : undefined,
      };
    }),
  );
}

/** How ssh, Pulumi and the docker provider reach a server: the same facts that an operator writes into im:servers. */
export function serverConnection(alias: LabAlias): SshServer {
  return {
    address: requireLabAddress(labServers[alias].address),
    sshPort: 22,
    user: "root",
    privateKeyFile: labPrivateKeyFile,
    hostKey: pinnedHostKey(alias),
  };
}

/** Arguments of the `ssh` program up to and including the address; a command may follow. */
export function sshArguments(alias: LabAlias): string[] {
  const server = serverConnection(alias);
  return [...sshOptions(server), "-p", String(server.sshPort), `${server.user}@${server.address}`];
}

export interface OnServerOptions {
  /** Content for the script's stdin: where secrets belong. The script's own text is then in the process list. */
  readonly input?: string;
  /** Default 60. */
  readonly timeoutSeconds?: number;
  /** Return a failure instead of throwing it. */
  readonly allowFailure?: boolean;
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a bash script on a server of the lab over real ssh, as the product would: pinned host key, bounded time, the
 * preamble of lib/shell.ts.
 * @throws OperatorError with the last lines of its output when it fails.
 */
export async function onServer(alias: LabAlias, scriptText: string, options: OnServerOptions = {}): Promise<RunResult> {
  const result = await runSsh(alias, script(scriptText), { ...options, timeoutSeconds: options.timeoutSeconds ?? 60 });
  if (result.exitCode !== 0 && options.allowFailure !== true) {
    const tail = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-15).join("\n");
    throw new OperatorError(
      `A script on ${labServers[alias].container} ended with exit code ${result.exitCode}:\n${tail}`,
    );
  }
  return result;
}

async function runSsh(
  alias: LabAlias,
  text: string,
  options: { timeoutSeconds: number; input?: string; onLine?: (line: string) => void },
): Promise<RunResult> {
  const seconds = Math.ceil(options.timeoutSeconds);
  const viaStdin = options.input === undefined;
  const command = viaStdin ? `timeout --kill-after=10 ${seconds} bash -s` : remoteCommand(text, seconds);
  return await run("ssh", [...sshArguments(alias), command], {
    // In braces, bash reads the whole script before it runs the first line; else a command that reads stdin would eat the rest.
    input: options.input ?? `{\n${text}} </dev/null\n`,
    timeoutSeconds: seconds + 20,
    ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
  });
}

/** Reboots a server, as its power button would ask it to, and waits until it is back. @returns the seconds it took. */
export async function rebootServer(alias: LabAlias): Promise<number> {
  const server = labServers[alias];
  await refuseForeignContainer(server);
  const started = performance.now();
  await docker(["restart", server.container], { timeoutSeconds: 150 });
  await untilReady(server, 120);
  return (performance.now() - started) / 1000;
}
