import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { installPackages, onPath } from "../../lab/docker.ts";
import { onServer, serverConnection } from "../../lab/servers.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { step } from "../../lib/progress.ts";
import { sshOptions } from "../../lib/ssh.ts";

export interface InventoryFile {
  readonly path: string;
  readonly mode: string;
  readonly sha256?: string;
}

/** The comparison's other side, from Debian. */
export async function ensureAnsible(): Promise<void> {
  if (await onPath("ansible-playbook")) return;
  await step("Install Ansible from this machine's apt (for the comparison)", async (progress) => {
    await installPackages(["ansible"], progress);
  });
}

/**
 * A playbook that checks what `doctor` checks on server A: the same files with the same contents, units, containers and accounts.
 * With pipelining, as a careful user would have it.
 */
export async function writePlaybook(inventory: {
  readonly files: readonly InventoryFile[];
  readonly units: readonly string[];
  readonly containers: readonly string[];
  readonly mysqlAccounts: readonly string[];
}): Promise<{ folder: string; file: string; tasks: number }> {
  const folder = cacheDirectory("bench", "ansible");
  mkdirSync(join(folder, "files"), { recursive: true, mode: 0o700 });
  const tasks: object[] = [];
  for (const [index, file] of inventory.files.entries()) {
    const content = (await onServer("a", `base64 -w0 '${file.path}'`)).stdout;
    writeFileSync(join(folder, "files", String(index)), Buffer.from(content, "base64"), { mode: 0o600 });
    tasks.push({
      name: file.path,
      "ansible.builtin.copy": { src: `files/${index}`, dest: file.path, mode: file.mode },
    });
  }
  for (const unit of inventory.units) {
    tasks.push({ name: unit, "ansible.builtin.systemd": { name: unit, state: "started", enabled: true } });
  }
  const look = (name: string, command: string) => ({
    name,
    "ansible.builtin.command": command,
    changed_when: false,
    check_mode: false,
  });
  for (const container of inventory.containers) {
    tasks.push(look(container, `docker inspect -f '{{ '{{' }}.State.Running{{ '}}' }}' ${container}`));
  }
  for (const account of inventory.mysqlAccounts)
    tasks.push(look(account, "test -s /etc/im-suite/credentials/mysql-root.cnf"));
  tasks.push(look("health check", "systemctl show -p Result im-health-check.service"));
  tasks.push(look("disk", "df -P /"));
  const server = serverConnection("a");
  writeFileSync(join(folder, "playbook.yml"), stringify([{ hosts: "a", gather_facts: true, tasks }]));
  writeFileSync(
    join(folder, "hosts"),
    `a ansible_host=${server.address} ansible_user=root ansible_python_interpreter=/usr/bin/python3 ansible_ssh_common_args="${sshOptions(server).join(" ")}"\n`,
  );
  writeFileSync(join(folder, "ansible.cfg"), "[defaults]\ninventory = hosts\n[ssh_connection]\npipelining = True\n");
  return { folder, file: "playbook.yml", tasks: tasks.length };
}
