import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labLabel } from "../../lab/addresses.ts";
import { type RunResult, run, runChecked } from "../../lib/process.ts";
import {
  type EtcdMember,
  etcdHealthCheck,
  renderEtcdAccounts,
  renderEtcdEnvironment,
  renderFoundCluster,
  renderInvite,
  renderJoin,
} from "../../templates/pair/etcd.ts";
import { text } from "../support/in-image.ts";
import { pairPrograms } from "../support/pair-programs.ts";

const network = "im-test-pair-votes";
const members = {
  a: { name: "a", address: "198.18.77.11" },
  b: { name: "b", address: "198.18.77.12" },
  witness: { name: "witness", address: "198.18.77.13" },
  // The same name at another address: another machine is the witness now.
  other: { name: "witness", address: "198.18.77.14" },
} as const satisfies Record<string, EtcdMember>;
type Key = keyof typeof members;
const keys = Object.keys(members) as Key[];
const container = (key: Key) => `${network}-${key}`;
const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-votes-"));

/** Stands for systemd: the unit's two environment files, its condition, its user. */
const systemctl = `#!/bin/bash
case "$*" in
  *restart*im-etcd*)
    if pkill -x etcd; then sleep 1; fi
    set -a; . /etc/im-suite/etcd/etcd.env; if [ -e /etc/im-suite/etcd/invitation.env ]; then . /etc/im-suite/etcd/invitation.env; fi; set +a
    [ -d /var/lib/im-suite/etcd/member ] || [ -s /etc/im-suite/etcd/invitation.env ] || { echo "no data and no invitation" >&2; exit 1; }
    setsid setpriv --reuid=etcd --regid=etcd --init-groups etcd >>/tmp/etcd.log 2>&1 &
    sleep 1 ;;
esac
`;

const on = async (key: Key, script: string, input = ""): Promise<RunResult> => {
  // The script as an argument: stdin is the invitation's.
  return await run("docker", ["exec", "-i", container(key), "bash", "-c", script], { input, timeoutSeconds: 150 });
};
async function succeeds(key: Key, script: string, input?: string): Promise<string> {
  const result = await on(key, script, input);
  expect(result.exitCode, text(result)).toBe(0);
  return result.stdout;
}
async function join3(key: Key): Promise<string> {
  const invitation = await succeeds("a", renderInvite(members.a, members[key]));
  await succeeds(key, renderJoin(members[key]), `${invitation}\n`);
  return invitation.trim();
}
const etcdctl = (words: string) =>
  `etcdctl --endpoints=https://${members.a.address}:2379 --cacert=/etc/im-suite/etcd/ca.crt --cert=/etc/im-suite/etcd/member.crt --key=/etc/im-suite/etcd/member.key ${words}`;

beforeAll(async () => {
  const image = await pairPrograms();
  const openssl = async (script: string) =>
    await runChecked("bash", ["-c", script], { cwd: folder, timeoutSeconds: 60 });
  const ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  await openssl(`openssl req -x509 ${ec} -keyout ca.key -out ca.crt -subj '/CN=pair' -days 2`);
  await run("docker", ["network", "rm", network]);
  await runChecked("docker", ["network", "create", "--label", labLabel, "--subnet", "198.18.77.0/24", network]);
  writeFileSync(join(folder, "systemctl"), systemctl, { mode: 0o755 });
  for (const key of keys) {
    const { address } = members[key];
    mkdirSync(join(folder, key));
    await openssl(
      `openssl req ${ec} -keyout ${key}/member.key -out ${key}/request -subj '/O=im-suite-ha' && openssl x509 -req -in ${key}/request -CA ca.crt -CAkey ca.key -CAcreateserial -out ${key}/member.crt -days 2 -extfile <(printf 'subjectAltName=IP:${address},IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth') && cp ca.crt ${key}/`,
    );
    writeFileSync(join(folder, key, "etcd.env"), renderEtcdEnvironment(members[key]));
    await run("docker", ["rm", "--force", container(key)]);
    await runChecked("docker", [
      ...["run", "--detach", "--name", container(key), "--label", labLabel, "--cpus", "0.5"],
      ...["--network", network, "--ip", address, image, "sleep", "900"],
    ]);
    await succeeds(key, "mkdir -p /etc/im-suite/etcd /etc/im-suite/credentials /var/lib/im-suite");
    await runChecked("docker", ["cp", `${join(folder, key)}/.`, `${container(key)}:/etc/im-suite/etcd/`]);
    await runChecked("docker", ["cp", join(folder, "systemctl"), `${container(key)}:/usr/local/sbin/systemctl`]);
    await succeeds(
      key,
      "chown root:etcd /etc/im-suite/etcd/*; chmod 0640 /etc/im-suite/etcd/member.key; chmod 0755 /etc/im-suite /etc/im-suite/etcd; printf rootpassword >/etc/im-suite/credentials/etcd-root-password; printf agentpassword >/etc/im-suite/credentials/etcd-agent-password",
    );
  }
}, 600_000);

afterAll(async () => {
  await run("docker", ["rm", "--force", ...keys.map(container)]);
  await run("docker", ["network", "rm", network]);
  rmSync(folder, { recursive: true, force: true });
});

describe("votes on a real etcd", () => {
  it("are founded once, and grow by invitation", async () => {
    await succeeds("a", renderFoundCluster(members.a));
    expect(await join3("b")).toContain(`b=https://${members.b.address}:2380`);
    await join3("witness");
    await succeeds("a", etcdHealthCheck([members.a, members.b, members.witness]));
    // Again, as a second `up` does: nobody is invited twice.
    await succeeds("a", renderFoundCluster(members.a));
    expect(await join3("b")).toBe("");
  }, 240_000);

  it("are open to accounts only, and the controllers' reaches its own keys alone", async () => {
    await succeeds("a", renderEtcdAccounts(members.a, "/im-suite/"));
    await succeeds("a", renderEtcdAccounts(members.a, "/im-suite/"));
    expect((await on("a", etcdctl("put /im-suite/x 1"))).exitCode).not.toBe(0);
    await succeeds("a", etcdctl("--user im-agent:agentpassword put /im-suite/x 1"));
    expect((await on("a", etcdctl("--user im-agent:agentpassword put /other 1"))).exitCode).not.toBe(0);
  }, 120_000);

  it("change their witness one member at a time", async () => {
    await join3("other");
    await succeeds("a", etcdHealthCheck([members.a, members.b, members.other]));
    const list = await succeeds("a", etcdctl("--user root:rootpassword member list"));
    expect(list.trim().split("\n")).toHaveLength(3);
    expect(list).not.toContain(members.witness.address);
  }, 240_000);

  it("are not founded a second time by a member that lost its data", async () => {
    await on("a", "pkill -x etcd; sleep 1; rm -rf /var/lib/im-suite/etcd");
    const again = await on("a", renderFoundCluster(members.a));
    expect(again.exitCode).not.toBe(0);
    expect(again.stderr).toContain("it must be invited again, not found a second cluster");
  }, 60_000);
});
