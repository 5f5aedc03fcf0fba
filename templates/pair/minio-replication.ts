import { credentialsDirectory } from "../../config/names.ts";
import { quote, script } from "../../lib/shell.ts";
import { minioInContainer } from "../container-clients.ts";

export interface MinioSites {
  /** MinIO's container on the server where the commands run. */
  readonly container: string;
  /** As the servers reach each other's MinIO. */
  readonly urls: { readonly a: string; readonly b: string };
}

/** mc's configuration with both sites, on both servers. */
export const minioPairClientFile = `${credentialsDirectory}/minio-pair.json`;

export function renderMinioPairClient(urls: MinioSites["urls"], accessKey: string, secretKey: string): string {
  const site = (url: string) => ({ url, accessKey, secretKey, api: "S3v4", path: "auto" });
  return `${JSON.stringify({ version: "10", aliases: { a: site(urls.a), b: site(urls.b) } }, null, 2)}\n`;
}

const inClient = ({ container }: MinioSites, commands: string) =>
  `minio_in_container ${quote(container)} ${minioPairClientFile} ${quote(commands)} </dev/null`;

/**
 * Makes the two MinIOs sites of one another: buckets, objects (those that exist too), accounts and policies, in both directions, so a failover
 * needs nothing. Only one may hold data when they are joined: server B's must be empty, or objects would be mixed.
 */
export function renderReplicateMinio(sites: MinioSites): string {
  return script(
    minioInContainer,
    // Kept, then searched: grep -q ends before mc does, and pipefail takes that for a no.
    "joined() {",
    "  local said",
    `  said=$(${inClient(sites, "client admin replicate info a --json")})`,
    `  case "$said" in *${quote(sites.urls.b)}*) return 0 ;; *) return 1 ;; esac`,
    "}",
    "if joined; then exit 0; fi",
    `buckets=$(${inClient(sites, "client ls b")})`,
    'if [ -n "$buckets" ]; then echo "MinIO on server b holds buckets that did not come from server a: remove them, or move them away" >&2; exit 1; fi',
    `${inClient(sites, "client admin replicate add a b")} >&2`,
    "joined",
    // What was there before is found by MinIO's scanner in its own time; asked for, it comes at once.
    `${inClient(sites, "client admin replicate resync start a b")} >&2`,
  );
}

/** Each goes its own way again, with what it holds. Versioning stays on: MinIO does not turn it off for what was replicated. */
export function renderStopMinioReplication(sites: MinioSites): string {
  return script(
    minioInContainer,
    `if ! docker inspect ${quote(sites.container)} >/dev/null 2>&1; then exit 0; fi`,
    `${inClient(sites, "client admin replicate rm a --all --force")} >&2 || echo "MinIO's replication could not be removed on server a: mc admin replicate info" >&2`,
  );
}
