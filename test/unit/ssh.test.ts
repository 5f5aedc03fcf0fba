import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { expandHome, knownHostsFile, readPrivateKey, sshOptions, sshScript } from "../../lib/ssh.ts";

const folder = mkdtempSync(join(tmpdir(), "im-ssh-test-"));
const configPath = "im:servers.a.privateKeyFile";

function key(name: string, ...options: string[]): string {
  const file = join(folder, name);
  const made = spawnSync("ssh-keygen", ["-q", "-f", file, ...options], { encoding: "utf8" });
  expect(made.status, made.stderr).toBe(0);
  return file;
}

beforeAll(() => {
  vi.stubEnv("IM_SUITE_HA_CACHE", join(folder, "cache"));
});

afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

describe("readPrivateKey", () => {
  test.each([
    ["ed25519", ["-t", "ed25519"]],
    ["rsa in the old format", ["-t", "rsa", "-b", "2048", "-m", "PEM"]],
    ["ecdsa in PKCS8", ["-t", "ecdsa", "-m", "PKCS8"]],
  ])("a key without passphrase is read: %s", (name, options) => {
    const file = key(`good-${name.split(" ")[0]}`, ...options, "-N", "");
    expect(readPrivateKey(file, configPath)).toBe(readFileSync(file, "utf8"));
  });

  test.each([
    ["openssh format", ["-t", "ed25519"]],
    ["old PEM format", ["-t", "rsa", "-b", "2048", "-m", "PEM"]],
    ["PKCS8 format", ["-t", "ecdsa", "-m", "PKCS8"]],
  ])("a key with a passphrase is refused, with what to type: %s", (name, options) => {
    const file = key(`locked-${name.split(" ")[0]}`, ...options, "-N", "secret words");
    expect(() => readPrivateKey(file, configPath)).toThrow(
      /^im:servers\.a\.privateKeyFile = ".*passphrase.*ssh-keygen/s,
    );
  });

  test("a missing file", () => {
    expect(() => readPrivateKey(join(folder, "nowhere"), configPath)).toThrow(/there is no such file.*ssh-keygen/);
  });

  test("a directory", () => {
    expect(() => readPrivateKey(folder, configPath)).toThrow("not a file");
  });

  test("the public half", () => {
    const file = key("pair", "-t", "ed25519", "-N", "");
    expect(() => readPrivateKey(`${file}.pub`, configPath)).toThrow("this is the public key");
  });

  test("something else", () => {
    const file = join(folder, "text");
    writeFileSync(file, "hello\n");
    expect(() => readPrivateKey(file, configPath)).toThrow("not a private ssh key");
  });

  test("a key that was cut off, at any place", () => {
    const file = key("cut", "-t", "ed25519", "-N", "");
    const size = statSync(file).size;
    for (const length of [size - 40, 60]) {
      truncateSync(file, length);
      expect(() => readPrivateKey(file, configPath)).toThrow(/damaged or cut off/);
    }
    writeFileSync(file, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
    expect(() => readPrivateKey(file, configPath)).toThrow(/damaged or cut off/);
  });
});

describe("the ssh program", () => {
  const server = (change: object = {}) => ({
    address: "127.0.0.1",
    sshPort: 22,
    user: "root",
    privateKeyFile: join(folder, "x"),
    hostKey: "ssh-ed25519 AAAAC3Nz",
    ...change,
  });

  test("~ is this user's home, and only at the start", () => {
    expect(expandHome("~/.ssh/id")).toBe(join(homedir(), ".ssh/id"));
    expect(expandHome("/a/~/b")).toBe("/a/~/b");
    expect(expandHome("~other/id")).toBe("~other/id");
  });

  test("only the pinned key is known, private, and only its type is offered", () => {
    const file = knownHostsFile(server());
    expect(readFileSync(file, "utf8")).toBe("127.0.0.1 ssh-ed25519 AAAAC3Nz\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(knownHostsFile(server({ sshPort: 2222 })), "utf8")).toMatch(/^\[127\.0\.0\.1\]:2222 /);
    const options = sshOptions(server()).join(" ");
    expect(options).toContain("StrictHostKeyChecking=yes");
    expect(options).toContain("GlobalKnownHostsFile=/dev/null");
    expect(options).toContain("HostKeyAlgorithms=ssh-ed25519 ");
  });

  test("an RSA host key is verified with the signatures that current servers make", () => {
    const options = sshOptions(server({ hostKey: "ssh-rsa AAAAB3Nz" })).join(" ");
    expect(options).toContain("HostKeyAlgorithms=rsa-sha2-512,rsa-sha2-256 ");
  });

  test("a key that others can read is refused in one sentence", async () => {
    const file = key("open", "-t", "ed25519", "-N", "");
    chmodSync(file, 0o644);
    const attempt = sshScript(server({ privateKeyFile: file }), "true", "im:servers.a", { timeoutSeconds: 5 });
    await expect(attempt).rejects.toThrow(`chmod 600 ${file}`);
  });

  test("a port where nothing listens is told with path, address and port", async () => {
    const file = key("closed", "-t", "ed25519", "-N", "");
    const attempt = sshScript(server({ privateKeyFile: file, sshPort: 1 }), "true", "im:servers.a", {
      timeoutSeconds: 5,
    });
    await expect(attempt).rejects.toThrow(
      'im:servers.a.address = "127.0.0.1" (ssh port 1): cannot be reached: nothing listens on that port',
    );
  });
});
