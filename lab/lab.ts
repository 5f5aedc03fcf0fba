import { OperatorError, runMain } from "../lib/errors.ts";
import { run } from "../lib/process.ts";
import { colour } from "../lib/progress.ts";
import { type LabAlias, parseAlias } from "./addresses.ts";
import { ensureDocker } from "./docker.ts";
import { ensureImages, readImages } from "./images.ts";
import { labRegistry } from "./registry.ts";
import { labDown, labReset, labStatus, labUp, rebootServer, sshArguments } from "./servers.ts";

const help = `npm run lab -- <command>

  up [a|b|c …]        start the servers (all three by default) and the image registry; makes what is missing
  down                stop them; their data stays
  status              what runs where
  ssh <a|b|c> [cmd]   a shell on a server, or one command
  logs [server]       the journal of a server (a, b, c), or the log of the registry (registry); everything without a name
  reboot <a|b|c>      restart a server as its power button would
  images              make or pull the container images of the suite and push them to the lab's registry
  reset [a|b|c …]     throw the servers and their data away; images and the cache stay

The servers are containers with systemd and sshd at 198.18.0.11, .12 and .13. Nothing here touches any other address.
`;

async function main(): Promise<number> {
  const [command, ...rest] = process.argv.slice(2);
  switch (command) {
    case "up":
      await labUp(rest.length === 0 ? {} : { aliases: aliasesOf(rest) });
      await printStatus();
      return 0;
    case "down":
      await labDown();
      return 0;
    case "status":
      await printStatus();
      return 0;
    case "ssh":
      return await ssh(parseAlias(rest[0]).alias, rest.slice(1));
    case "logs":
      return await logs(rest[0]);
    case "reboot": {
      const seconds = await rebootServer(parseAlias(rest[0]).alias);
      process.stdout.write(`Server ${rest[0]} is back after ${seconds.toFixed(1)} s.\n`);
      return 0;
    }
    case "images":
      await ensureImages();
      printImages();
      return 0;
    case "reset":
      await labReset(rest.length === 0 ? undefined : aliasesOf(rest));
      return 0;
    case undefined:
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(help);
      return command === undefined ? 1 : 0;
    default:
      throw new OperatorError(`There is no lab command ${JSON.stringify(command)}. Type: npm run lab -- --help`);
  }
}

function aliasesOf(words: readonly string[]): LabAlias[] {
  return words.map((word) => parseAlias(word).alias);
}

async function ssh(alias: LabAlias, command: readonly string[]): Promise<number> {
  const options = command.length === 0 ? ["-t"] : process.stdin.isTTY === true ? ["-t"] : [];
  const result = await run("ssh", [...options, ...sshArguments(alias), ...command], {
    inheritOutput: true,
    timeoutSeconds: 7 * 24 * 3600,
  });
  return result.exitCode;
}

async function logs(name: string | undefined): Promise<number> {
  await ensureDocker();
  if (name === "registry") return await show("docker", ["logs", "--tail", "30", labRegistry.container]);
  const aliases = name === undefined ? (["a", "b", "c"] as const) : [parseAlias(name).alias];
  let worst = 0;
  for (const alias of aliases) {
    if (aliases.length > 1) process.stdout.write(`${colour("bold", `im-lab-${alias}`)}\n`);
    // Through Docker, not ssh: the log is wanted most when ssh does not answer.
    const lines = name === undefined ? "40" : "400";
    worst = Math.max(
      worst,
      await show("docker", ["exec", parseAlias(alias).container, "journalctl", "--no-pager", "-n", lines]),
    );
  }
  return worst;
}

async function show(command: string, args: readonly string[]): Promise<number> {
  return (await run(command, args, { inheritOutput: true })).exitCode;
}

async function printStatus(): Promise<void> {
  const rows = (await labStatus()).map((server) => [
    server.name,
    server.address,
    server.state === "none" ? "not made yet" : server.state,
    server.failedUnits.length > 0
      ? `${server.system} (failed: ${server.failedUnits.join(", ")})`
      : server.system || "-",
    server.containers === undefined ? "-" : server.containers.join(" ") || "none",
  ]);
  table(["server", "address", "container", "system", "containers inside"], rows);
}

function printImages(): void {
  const rows = Object.entries(readImages()).map(([key, image]) =>
    "unavailable" in image ? [key, "-", image.unavailable] : [key, image.origin, image.reference],
  );
  table(["image", "origin", "reference"], rows);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  process.stdout.write(`\n${colour("dim", line(header))}\n${rows.map((row) => `${line(row)}\n`).join("")}`);
}

await runMain(main);
