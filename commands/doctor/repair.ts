import { quote } from "../../lib/shell.ts";
import type { Row } from "./compare.ts";

/** The part of `pulumi stack export` that is read here. */
export interface ExportedResource {
  readonly urn: string;
  readonly type: string;
  readonly inputs?: { readonly triggers?: readonly unknown[]; readonly create?: unknown };
}

/**
 * The commands that put back what drifted. Pulumi sees a missing container by itself when it refreshes; what a script wrote it does
 * not see, so its resource is named: a replace undoes it and does it again.
 */
export function repairCommands(
  pulumi: string,
  stack: string,
  rows: readonly Row[],
  resources: readonly ExportedResource[],
): string[] {
  const drifted = rows.filter((row) => row.verdict === "drift").flatMap((row) => row.subject ?? []);
  const urns = new Set<string>();
  for (const { kind, name } of drifted) {
    const owner = resources.find((resource) => {
      const { triggers, create } = resource.inputs ?? {};
      const text = typeof create === "string" ? create : "";
      if (kind === "file") return triggers?.[0] === name && text.includes("applied=");
      if (kind === "unit") {
        return text.includes("systemctl enable") && text.includes(`unit=${name.replace(/\.[a-z]+$/, "")}\n`);
      }
      if (kind === "account") return text.includes("CREATE USER") && text.includes(accountName(name));
      return false;
    });
    if (owner !== undefined) urns.add(owner.urn);
  }
  const replace = [...urns].map((urn) => ` --replace ${quote(urn)}`).join("");
  return [
    ...(replace === "" ? [] : [`${pulumi} up -s ${stack}${replace}`]),
    ...(drifted.some(({ kind }) => kind === "container") ? [`${pulumi} up -s ${stack} --refresh`] : []),
  ];
}

/** `im_x@%` as it stands in the script, whose own quotes are escaped in the command. */
function accountName(account: string): string {
  return account.slice(0, account.lastIndexOf("@"));
}
