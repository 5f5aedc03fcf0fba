import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parseConfiguration } from "../../config/load.ts";
import type { Configuration } from "../../config/schema.ts";

/** A resource as the program registered it, with secrets unwrapped and remembered. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** Paths of the inputs that were marked secret. */
  readonly secrets: readonly string[];
}

const secretSignature = "4dabf18193072939515e22adb298388d";
const secretValue = "1b47061264138c4ac30d75fd1eb44270";

/** Recognisable everywhere: no generated or given secret may appear outside a secret input. */
export const canary = {
  mysqlRootPassword: `canary-mysql-'"$\`\\@#!% 密`,
  redisPassword: `canary-redis-'"$\`\\@#!% 密`,
  minioAccessKey: "canary-minio-access",
  minioSecretKey: `canary-minio-'"$\`\\@#!% 密`,
};

const registered: Registered[] = [];

/** Registers the mocks; call once per file, before the program is imported. `preview` leaves outputs unknown, as a real one does. */
export async function useMocks(preview = false): Promise<readonly Registered[]> {
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        const secrets: string[] = [];
        const inputs = unwrap(args.inputs, "", secrets) as Record<string, unknown>;
        registered.push({ type: args.type, name: args.name, inputs, secrets });
        return { id: `${args.name}-id`, state: { ...args.inputs, ...outputsOf(args.type, args.name) } };
      },
      call: (args) => args.inputs,
    },
    "im-suite-ha",
    "stage1",
    preview,
  );
  return registered;
}

/** What copying server A's images prints. */
const copiedImages = ["mysql", "redis", "minio", "backend", "admin"]
  .map((service) => `${service} im-suite/${service}:0123456789ab`)
  .join("\n");

/** How a container of an adopted suite runs, as a script on server A prints it; with a password in its environment. */
const copiedService = JSON.stringify({
  environment: ["DB_MASTER_HOST=im-mysql-prod", "DB_MASTER_PASSWORD=canary-application", "PATH=/usr/bin"],
  command: ["im-backend"],
  entrypoint: null,
});

/** What a provider would add. */
function outputsOf(type: string, name: string): Record<string, unknown> {
  if (type === "command:local:Command") return { stdout: copiedImages, stderr: "" };
  if (type === "command:remote:Command" && /-(backend|admin)-settings-command$/.test(name)) {
    return { stdout: copiedService, stderr: "" };
  }
  if (type === "tls:index/privateKey:PrivateKey") return { privateKeyPem: `generatedkeyof${name.replaceAll("-", "")}` };
  if (type === "tls:index/certRequest:CertRequest") return { certRequestPem: `request of ${name}` };
  if (/^tls:index\/(selfSigned|locallySigned)Cert:/.test(type)) return { certPem: `certificate of ${name}\n` };
  if (type === "command:remote:Command") return { stdout: `stdoutof${name.replaceAll("-", "")}`, stderr: "" };
  if (type === "random:index/randomPassword:RandomPassword") return { result: `generated${name.replaceAll("-", "")}` };
  if (type === "docker:index/remoteImage:RemoteImage") return { imageId: `sha256:${name}` };
  return {};
}

function unwrap(value: unknown, path: string, secrets: string[]): unknown {
  if (Array.isArray(value)) return value.map((one, index) => unwrap(one, `${path}[${index}]`, secrets));
  if (typeof value !== "object" || value === null) return value;
  const record = value as Record<string, unknown>;
  if (record[secretSignature] === secretValue) {
    secrets.push(path);
    return unwrap(record["value"], path, secrets);
  }
  return Object.fromEntries(
    Object.entries(record).map(([key, one]) => [key, unwrap(one, path === "" ? key : `${path}.${key}`, secrets)]),
  );
}

/** Waits until every registration and every apply has run. */
export async function settled(): Promise<void> {
  await pulumi.runtime.disconnect();
}

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIaYQrytIcgeUML8sNaKJjX4bkct/46+g+u+XlB6Cx08";

/** A configuration of server a, with a private key file that exists. */
export function testConfiguration(suite: Record<string, unknown>, more: Record<string, unknown> = {}): Configuration {
  const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-test-"));
  const privateKeyFile = join(folder, "key");
  writeFileSync(privateKeyFile, "-----BEGIN PRIVATE KEY-----\ncanary-private-key\n-----END PRIVATE KEY-----\n", {
    mode: 0o600,
  });
  return parseConfiguration({
    stage: 1,
    servers: { a: { address: "198.18.0.11", privateKeyFile, hostKey } },
    suite,
    ...(suite["mode"] === "adopt"
      ? { adoptedCredentials: canary }
      : { images: { backend: "example/backend:1", admin: "example/admin:1" } }),
    ...more,
  });
}
