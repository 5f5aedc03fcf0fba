import { quote } from "../../lib/shell.ts";
import type { Row } from "./compare.ts";

/** The part of `pulumi stack export` that is read here. */
export interface ExportedResource {
  readonly urn: string;
  readonly type: string;
  readonly inputs?: { readonly triggers?: readonly unknown[]; readonly create?: unknown };
}

export interface RepairServer {
  /** Logical names of a server's resources begin with it. */
  readonly alias: string;
  readonly address: string;
}

/**
 * The commands that put back what drifted on one server. Pulumi sees a missing container by itself when it refreshes. A file it does
 * not see, so its resource is named: a replace puts back what was there before, then writes ours again. An account is made
 * again with a new password. A unit is only switched on.
 * @param pulumi as it is typed for this stack.
 */
export function repairCommands(
  pulumi: string,
  stack: string,
  server: RepairServer,
  rows: readonly Row[],
  resources: readonly ExportedResource[],
): string[] {
  const drifted = rows.filter((row) => row.verdict === "drift").flatMap((row) => row.subject ?? []);
  const own = resources.filter((resource) => logicalName(resource).startsWith(`${server.alias}-`));
  const urns = new Set<string>();
  for (const { kind, name } of drifted) {
    const owner = own.find((resource) =>
      kind === "file" ? writesFile(resource, name) : kind === "account" && isPasswordOf(resource, name),
    );
    if (owner !== undefined) urns.add(owner.urn);
  }
  const replace = [...urns].map((urn) => ` --replace ${quote(urn)}`).join("");
  const units = drifted.filter(({ kind }) => kind === "unit").map(({ name }) => quote(name));
  return [
    ...(replace === "" ? [] : [`${pulumi} up -s ${stack}${replace}`]),
    ...(drifted.some(({ kind }) => kind === "container") ? [`${pulumi} up -s ${stack} --refresh`] : []),
    // Last: a missing unit file is written by the first command.
    ...(units.length === 0 ? [] : [`ssh root@${server.address} systemctl enable --now ${units.join(" ")}`]),
  ];
}

function logicalName(resource: ExportedResource): string {
  return resource.urn.split("::").at(-1) ?? "";
}

/** A HostFile's command: its trigger is the path. Gates have triggers too, but write nothing. */
function writesFile({ inputs }: ExportedResource, path: string): boolean {
  return inputs?.triggers?.[0] === path && typeof inputs.create === "string" && inputs.create.includes("applied=");
}

/** The generated password of `im_exporter@%` is the resource `…-exporter-password`. */
function isPasswordOf(resource: ExportedResource, account: string): boolean {
  const user = account.slice(0, account.lastIndexOf("@")).replace(/^im_/, "");
  return resource.type.endsWith(":RandomPassword") && logicalName(resource).endsWith(`-${user}-password`);
}
