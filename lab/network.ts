import { OperatorError } from "../lib/errors.ts";
import { run } from "../lib/process.ts";
import { labLabel, labNetwork, overlapsLab } from "./addresses.ts";
import { docker, dockerQuery } from "./docker.ts";

/** Makes the lab's network, after a look at who else might use the range. */
export async function ensureNetwork(): Promise<void> {
  const [labelKey = ""] = labLabel.split("=");
  const format = `{{index .Labels "${labelKey}"}} {{range .IPAM.Config}}{{.Subnet}}{{end}}`;
  const existing = await dockerQuery(["network", "inspect", "--format", format, labNetwork.name]);
  if (existing === `true ${labNetwork.subnet}`) return;
  if (existing !== undefined) {
    throw new OperatorError(
      `There is already a Docker network ${labNetwork.name} that the lab did not make (${existing.trim() || "no subnet"}). Remove or rename it: docker network rm ${labNetwork.name}`,
    );
  }
  await refuseWhenInUse();
  await docker([
    ...["network", "create", "--driver", "bridge", "--subnet", labNetwork.subnet, "--gateway", labNetwork.gateway],
    ...["--ip-range", labNetwork.dynamicRange, "--label", labLabel, labNetwork.name],
  ]);
}

async function refuseWhenInUse(): Promise<void> {
  const names = (await dockerQuery(["network", "ls", "--format", "{{.Name}}"]))?.split("\n") ?? [];
  for (const name of names) {
    const subnets = await dockerQuery([
      "network",
      "inspect",
      "--format",
      "{{range .IPAM.Config}}{{.Subnet}} {{end}}",
      name,
    ]);
    const taken = subnets?.split(" ").find(overlapsLab);
    if (taken !== undefined) {
      throw new OperatorError(
        `The lab needs ${labNetwork.subnet}, but the Docker network ${JSON.stringify(name)} uses ${taken}. Remove it, then run this again: docker network rm ${name}`,
      );
    }
  }
  const route = findTakenRoute((await run("ip", ["-4", "route", "show"])).stdout);
  if (route !== undefined) {
    throw new OperatorError(
      `The lab needs ${labNetwork.subnet}, but this machine already has a route there: "${route}". Remove that route or stop what made it (a VPN?), then run this again.`,
    );
  }
}

/** The first line of `ip -4 route show` that leads into the lab's range. */
export function findTakenRoute(routes: string): string | undefined {
  return routes
    .split("\n")
    .map((line) => line.trim())
    .find((line) =>
      overlapsLab(line.split(/\s+/)[line.startsWith("unreachable") || line.startsWith("blackhole") ? 1 : 0] ?? ""),
    );
}

/** Removes the network if it is ours and nothing of somebody else hangs on it. */
export async function removeNetwork(): Promise<void> {
  const id = await dockerQuery([
    "network",
    "ls",
    "--quiet",
    "--filter",
    `name=^${labNetwork.name}$`,
    "--filter",
    `label=${labLabel}`,
  ]);
  if (id !== undefined && id !== "") await docker(["network", "rm", labNetwork.name]);
}
