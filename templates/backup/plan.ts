import type { RetentionPolicy } from "../../config/backup-schema.ts";

/** What the programs of the backup know of the suite. A service that the suite does not have is undefined. */
export interface BackupPlan {
  /** Alias of the server: the same in every repository, also on the server that replaces a lost one. */
  readonly server: string;
  readonly mysql?: { readonly container: string; readonly optionFile: string } | undefined;
  readonly redis?: { readonly container: string; readonly authFile: string } | undefined;
  readonly minio?: { readonly container: string; readonly clientFile: string } | undefined;
  /** Files and folders of the configuration. */
  readonly configurationPaths: readonly string[];
  /** Names, the local one first. */
  readonly repositories: readonly string[];
  /** Those of them from which nothing may be removed. */
  readonly appendOnly: readonly string[];
  readonly keyFile: string;
  readonly keep: RetentionPolicy;
  /** Binary logs stay so long. */
  readonly pointInTimeDays: number;
  /** Bounds of the throw-away containers. */
  readonly cpus: number;
  readonly memoryMiB: number;
}
