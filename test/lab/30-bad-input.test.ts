import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { ensureLabStack, labConfigurationFile, labPulumi } from "../../engine/lab-pulumi.ts";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { labReset, labUp, onServer, serverConnection } from "../../lab/servers.ts";
import { cacheDirectory } from "../../lib/paths.ts";
import { run } from "../../lib/process.ts";
import { printed, tail } from "../support/lab.ts";

const stack = "bad-input";
type Config = Record<string, unknown>;
let good: Config;

/** Previews the good configuration with changes, and returns the sentence that refuses it. */
async function refusal(change: (config: Config) => void): Promise<string> {
  const config = structuredClone(good);
  change(config);
  const file = labConfigurationFile(stack);
  const { encryptionsalt } = parse(readFileSync(file, "utf8"));
  writeFileSync(file, stringify({ encryptionsalt, config }));
  const result = await labPulumi(["preview", "-s", stack], { timeoutSeconds: 120 });
  const text = tail(result, 60);
  expect(result.exitCode, text).not.toBe(0);
  // An expected error has no stack trace.
  expect(text).not.toMatch(/^\s+at .*\.ts:\d+/m);
  return text;
}

const server = (config: Config) => (config["im:servers"] as { a: Record<string, unknown> }).a;
const keyFile = (name: string, content: string, mode = 0o600) => {
  const folder = cacheDirectory("test", "keys");
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${name}`;
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
};

beforeAll(async () => {
  // Other tests install on C; here it is the bare server that nothing may touch.
  await labReset(["c"]);
  await labUp();
  await ensureLabStack(stack);
  const adopt = parse(readFileSync(labConfigurationFile(adoptStack), "utf8")).config as Config;
  const { "im:adoptedCredentials": _secret, ...rest } = adopt;
  const { suiteCredentials } = await import("../../lab/suite.ts");
  good = { ...rest, "im:adoptedCredentials": suiteCredentials() as unknown as Config };
});

afterAll(async () => {
  await labPulumi(["stack", "rm", "--yes", "-s", stack]);
});

describe("bad input is refused with the config path, the value and what is expected", () => {
  it.each<[string, (config: Config) => void, RegExp[]]>([
    ["an unknown key", (config) => void (config["im:healtCheck"] = {}), [/im:healtCheck/, /unknown key/]],
    [
      "an unknown nested key",
      (config) => void (server(config)["adress"] = "x"),
      [/im:servers\.a\.adress/, /unknown key/],
    ],
    [
      "a bad address",
      (config) => void (server(config)["address"] = "198.18.0"),
      [/im:servers\.a\.address = "198\.18\.0"/, /expected the IP address/],
    ],
    [
      "the same address twice",
      (config) => void ((config["im:servers"] as Config)["b"] = { ...server(config) }),
      [/im:servers\.b\.address = "198\.18\.0\.11"/, /each server needs its own/],
    ],
    [
      "a port out of range",
      (config) => void (server(config)["sshPort"] = 70000),
      [/im:servers\.a\.sshPort = 70000/, /1 to 65535/],
    ],
    [
      "a missing key file",
      (config) => void (server(config)["privateKeyFile"] = "/nowhere/key"),
      [/privateKeyFile = "\/nowhere\/key"/, /no such file/, /ssh-keygen/],
    ],
    [
      "a public key",
      (config) => void (server(config)["privateKeyFile"] = keyFile("public", "ssh-ed25519 AAAA x\n")),
      [/privateKeyFile/, /this is the public key/],
    ],
    [
      "another host key",
      (config) => void (server(config)["hostKey"] = serverConnection("b").hostKey),
      [/im:servers\.a/, /another host key/, /do not go on/],
    ],
    [
      "an unreachable server",
      (config) => void (server(config)["address"] = "198.18.0.77"),
      [/198\.18\.0\.77/, /cannot be reached/],
    ],
    ["a closed port", (config) => void (server(config)["sshPort"] = 2222), [/2222/, /nothing listens/]],
    [
      "adopt on a server without Docker",
      (config) => void (config["im:servers"] = { a: withoutUser(serverConnection("c")) }),
      [/im:suite\.mode/, /needs a running Docker Engine/, /create/],
    ],
    [
      "adopt without the containers",
      (config) => void ((config["im:suite"] as Config)["containers"] = { mysql: "im-mysql-other" }),
      [/im:suite\.containers\.mysql = "im-mysql-other"/, /no such container/],
    ],
    [
      "a wrong MySQL password",
      (config) =>
        void (config["im:adoptedCredentials"] = {
          ...(config["im:adoptedCredentials"] as Config),
          mysqlRootPassword: "wrong",
        }),
      [/im:adoptedCredentials\.mysqlRootPassword/, /cannot log in/],
    ],
    [
      "create where the suite already exists",
      (config) => {
        config["im:suite"] = { mode: "create", without: ["grafana"] };
        delete config["im:adoptedCredentials"];
      },
      [/im:suite\.mode/, /already exists/, /adopt/],
    ],
    [
      "adopt without credentials",
      (config) => void delete config["im:adoptedCredentials"],
      [/im:adoptedCredentials is missing/, /npm run configure/],
    ],
    [
      "a stage that is not there yet",
      (config) => void (config["im:stage"] = 4),
      [/im:stage = 4/, /expected 1, 2 or 3/],
    ],
  ])("%s", async (_name, change, expected) => {
    const text = await refusal(change);
    for (const pattern of expected) expect(text).toMatch(pattern);
  });

  it("a key that the server does not accept", async () => {
    const file = `${cacheDirectory("test", "keys")}/stranger`;
    await run("sh", ["-c", `rm -f ${file} ${file}.pub; ssh-keygen -q -t ed25519 -N '' -f ${file}`]);
    expect(await refusal((config) => void (server(config)["privateKeyFile"] = file))).toMatch(
      /does not accept the key/,
    );
  });

  it("a key with a passphrase", async () => {
    const file = `${cacheDirectory("test", "keys")}/locked`;
    await run("sh", ["-c", `rm -f ${file} ${file}.pub; ssh-keygen -q -t ed25519 -N secret -f ${file}`]);
    expect(await refusal((config) => void (server(config)["privateKeyFile"] = file))).toMatch(/has a passphrase/);
  });

  it("a hosting panel, and an unsupported distribution", async () => {
    await onServer(
      "c",
      'mkdir -p /www/server/panel; cp -L /etc/os-release /run/os-release; sed \'s/^VERSION_ID=.*/VERSION_ID="10"/; s/^PRETTY_NAME=.*/PRETTY_NAME="Debian 10"/\' /run/os-release > /etc/os-release.new; cp -P /etc/os-release /root/os-release.link; mv /etc/os-release.new /etc/os-release',
    );
    try {
      const text = await refusal((config) => {
        config["im:servers"] = { a: withoutUser(serverConnection("c")) };
        config["im:suite"] = { mode: "create", without: ["grafana"] };
        delete config["im:adoptedCredentials"];
      });
      expect(text).toMatch(/BT \(宝塔\)/);
      expect(text).toMatch(/Debian 10\. Supported are Debian 11-13/);
    } finally {
      await onServer("c", "rm -rf /www; mv -f /root/os-release.link /etc/os-release");
    }
  });

  it("a port that something else uses", async () => {
    await onServer("c", "systemd-run --quiet --unit=port-taker python3 -m http.server --bind 127.0.0.1 9104");
    try {
      const text = await refusal((config) => {
        config["im:servers"] = { a: withoutUser(serverConnection("c")) };
        config["im:suite"] = { mode: "create", without: ["grafana"] };
        delete config["im:adoptedCredentials"];
      });
      expect(text).toMatch(/port 9104/);
      expect(text).toMatch(/already in use on the server by python3/);
    } finally {
      await onServer("c", "systemctl stop port-taker");
    }
  });

  it("and nothing was touched: server C is as bare as before", async () => {
    expect(
      await printed("c", "ls -d /etc/im-suite /var/lib/im-suite 2>/dev/null || true; command -v docker || true"),
    ).toBe("");
  });
});

function withoutUser(connection: object): object {
  const { user: _user, ...rest } = connection as { user?: string };
  return rest;
}
