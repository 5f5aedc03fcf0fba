import type { BackupCredentials, OffSiteRepository } from "../../config/backup-schema.ts";
import { backupDirectory, repositoriesDirectory } from "../../config/names.ts";
import { commandLine } from "../../lib/shell.ts";

/** The repository on the server itself. */
export const localRepository: OffSiteRepository = {
  name: "local",
  type: "directory",
  path: `${backupDirectory}/repository`,
};

/**
 * How restic reaches a repository: NAME=value lines, read by our programs as they are, so no quoting is needed and nothing in
 * them is run. SFTP_COMMAND is ours, the others are restic's own variables.
 */
export function renderRepositoryEnvironment(
  repository: OffSiteRepository,
  credentials: BackupCredentials[string] | undefined,
): string {
  const lines: string[] = [];
  switch (repository.type) {
    case "directory":
      lines.push(`RESTIC_REPOSITORY=${repository.path}`);
      break;
    case "sftp":
      lines.push(`RESTIC_REPOSITORY=sftp:${repository.user}@${repository.name}:${repository.path}`);
      lines.push(`SFTP_COMMAND=${commandLine(sftpCommand(repository))}`);
      break;
    case "s3":
      lines.push(`RESTIC_REPOSITORY=s3:${repository.endpoint}/${repository.bucket}/${repository.prefix}`);
      lines.push(`AWS_ACCESS_KEY_ID=${credentials?.accessKey ?? ""}`);
      lines.push(`AWS_SECRET_ACCESS_KEY=${credentials?.secretKey ?? ""}`);
      break;
  }
  return `${lines.join("\n")}\n`;
}

/** ssh that never asks, knows exactly one host key, and notices a dead connection. */
function sftpCommand(repository: Extract<OffSiteRepository, { type: "sftp" }>): string[] {
  const folder = `${repositoriesDirectory}/${repository.name}`;
  const options = {
    BatchMode: "yes",
    IdentitiesOnly: "yes",
    StrictHostKeyChecking: "yes",
    UserKnownHostsFile: `${folder}/known-hosts`,
    HostKeyAlias: repository.name,
    ConnectTimeout: "20",
    ServerAliveInterval: "15",
    ServerAliveCountMax: "4",
  };
  return [
    "ssh",
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ...["-i", `${folder}/ssh-key`, "-p", String(repository.port), "-l", repository.user],
    ...[repository.host, "-s", "sftp"],
  ];
}

/** The one host key, under the repository's name: an address or a port that changes does not make it unknown. */
export function renderKnownHosts(repository: Extract<OffSiteRepository, { type: "sftp" }>): string {
  return `${repository.name} ${repository.hostKey}\n`;
}

/** mc's own configuration file. It reaches the client's container on stdin. */
export function renderMinioClientConfig(accessKey: string, secretKey: string): string {
  const suite = { url: "http://127.0.0.1:9000", accessKey, secretKey, api: "S3v4", path: "auto" };
  return `${JSON.stringify({ version: "10", aliases: { suite } }, null, 2)}\n`;
}
