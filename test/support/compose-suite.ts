import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type LabAlias, labServers } from "../../lab/addresses.ts";
import { docker } from "../../lab/docker.ts";
import { readImages } from "../../lab/images.ts";
import { onServer } from "../../lab/servers.ts";
import { imageVariable, neededServices, renderComposeFile } from "../../lab/suite/compose-file.ts";
import { newSecrets, type SuiteSecrets, secretsToEnvironment } from "../../lab/suite/credentials.ts";
import { renderEnvironmentFile } from "../../lab/suite/environment-file.ts";
import { suiteNames } from "../../lab/suite.ts";

const directory = "/root/im-suite";
const composePlugin = "/usr/libexec/docker/cli-plugins/docker-compose";

/**
 * A copy of the roadmap's suite on one of the lab's empty servers, with passwords of its own: for what an operator does to a suite by
 * hand, which must not be tried on the lab's own. Without Prometheus and Grafana.
 */
export async function putComposeSuite(server: LabAlias): Promise<SuiteSecrets> {
  const secrets = newSecrets();
  const images = readImages();
  const references = neededServices.map((service) => {
    const image = images[service];
    if (image === undefined || !("reference" in image)) throw new Error(`the lab has no image of ${service}`);
    return [imageVariable(service), image.reference] as const;
  });
  const environment = renderEnvironmentFile({
    ...Object.fromEntries(references),
    DB_NAME: suiteNames.database,
    DB_USER: suiteNames.user,
    MINIO_BUCKET: suiteNames.bucket,
    ...secretsToEnvironment(secrets),
  });
  await onServer(
    server,
    `if ! command -v dockerd >/dev/null; then apt-get update -q >/dev/null; apt-get install -y -q --no-install-recommends docker.io iptables >/dev/null; fi
systemctl start docker; mkdir -p ${directory} ${dirname(composePlugin)}`,
    { timeoutSeconds: 600 },
  );
  // Debian 12 has no compose of version 2; server A has one from a newer Debian.
  const copy = join(mkdtempSync(join(tmpdir(), "im-suite-ha-compose-")), "docker-compose");
  await docker(["cp", `${labServers.a.container}:${composePlugin}`, copy]);
  await docker(["cp", copy, `${labServers[server].container}:${composePlugin}`]);
  rmSync(dirname(copy), { recursive: true });
  const write = async (name: string, content: string) =>
    await onServer(server, `umask 077; cat >${join(directory, name)}`, { input: content });
  await write("docker-compose.yml", renderComposeFile(neededServices));
  await write(".env", environment);
  await onServer(server, `cd ${directory} && docker compose --ansi never up --detach --no-build`, {
    timeoutSeconds: 600,
  });
  // The image cannot take every character as a first password: as on the lab's own suite, they are changed once it is up.
  const statement = [
    `ALTER USER '${suiteNames.user}'@'%' IDENTIFIED BY ${literal(secrets.mysqlApplicationPassword)},`,
    `'root'@'%' IDENTIFIED BY ${literal(secrets.mysqlRootPassword)},`,
    `'root'@'localhost' IDENTIFIED BY ${literal(secrets.mysqlRootPassword)};`,
  ].join(" ");
  await onServer(
    server,
    `cat >/root/first.sql
until docker exec im-mysql-prod mysqladmin ping --host=127.0.0.1 --protocol=tcp --silent >/dev/null 2>&1; do sleep 1; done
{ printf '[client]\\nuser=root\\npassword=%s\\n' '${secrets.mysqlFirstPassword}' | docker exec -i im-mysql-prod sh -c 'cat >/dev/shm/first.cnf'; } && docker exec -i im-mysql-prod mysql --defaults-extra-file=/dev/shm/first.cnf --default-character-set=utf8mb4 </root/first.sql
docker exec im-mysql-prod rm /dev/shm/first.cnf; rm /root/first.sql
timeout 120 bash -c 'until curl -fsS --max-time 5 http://127.0.0.1:8080/health >/dev/null 2>&1; do sleep 1; done'`,
    { input: statement, timeoutSeconds: 400 },
  );
  return secrets;
}

/** IDENTIFIED BY takes no expression, only a quoted text. */
function literal(password: string): string {
  return `'${password.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** Takes it away with its data. */
export async function removeComposeSuite(server: LabAlias): Promise<void> {
  await onServer(
    server,
    `if [ -f ${directory}/docker-compose.yml ]; then cd ${directory} && docker compose --ansi never down --volumes; cd /; rm -rf ${directory}; fi; rm -rf /root/rotate ${composePlugin}`,
    { timeoutSeconds: 180 },
  );
}
