import { type Foundation, foundationOf } from "../../config/foundation.ts";
import { parseConfiguration } from "../../config/load.ts";
import { suitePorts } from "../../config/ports.ts";
import type { ServerFacts } from "../../preflight/facts.ts";

/** A configuration as it lies in Pulumi.<stack>.yaml, without the `im:` prefix; tests change it before it is parsed. */
export type RawConfiguration = {
  stage: unknown;
  servers: { a: Record<string, unknown> };
  suite: Record<string, unknown>;
  adoptedCredentials: Record<string, unknown>;
};

export function createdConfiguration(): RawConfiguration {
  return {
    stage: 1,
    servers: {
      a: { address: "203.0.113.10", privateKeyFile: "~/.ssh/im-suite-ha", hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5" },
    },
    suite: { mode: "create" },
    images: { backend: "registry.example/im-backend:1.0", admin: "registry.example/im-admin:1.0" },
  } as unknown as RawConfiguration;
}

export function adoptedConfiguration(): RawConfiguration {
  return {
    ...createdConfiguration(),
    suite: { mode: "adopt" },
    adoptedCredentials: {
      mysqlRootPassword: "root's pass",
      redisPassword: "redis pass",
      minioAccessKey: "access",
      minioSecretKey: "secret-key",
    },
  };
}

/** A healthy, empty Debian 12 server. */
export function bareFacts(): ServerFacts {
  return {
    system: { id: "debian", version: "12", name: "Debian GNU/Linux 12 (bookworm)", architecture: "x86_64" },
    root: true,
    memoryMiB: { total: 8000, available: 7000 },
    disks: { root: { totalMiB: 80_000, availableMiB: 60_000 }, state: { totalMiB: 80_000, availableMiB: 60_000 } },
    docker: undefined,
    containers: [],
    listeners: [{ address: "0.0.0.0", port: 22, process: "sshd" }],
    panels: [],
    createOnceSecrets: [],
    createdData: [],
    clockOffsetSeconds: 0.1,
    mysql: undefined,
    growth: {},
  };
}

/** The same server with the roadmap's suite running on it. */
export function adoptableFacts(): ServerFacts {
  const services = ["mysql", "redis", "minio", "backend", "admin", "prometheus", "grafana"] as const;
  return {
    ...bareFacts(),
    docker: "24.0.7",
    containers: services.map((service) => ({
      id: `id-${service}`,
      name: `im-${service}-prod`,
      image: `${service}:1`,
      imageId: `sha256:${service}`,
      status: "running",
      startedAt: "2026-11-01T00:00:00Z",
      restartCount: 0,
      restartPolicy: "always",
      networks: ["im-suite_default"],
      published: [{ address: "0.0.0.0", port: suitePorts[service], containerPort: suitePorts[service] }],
      stage: "",
    })),
    mysql: {
      version: "8.0.36",
      logBin: true,
      gtidMode: "OFF",
      serverId: 1,
      innodbPageSize: 16_384,
      binlogFormat: "ROW",
      dataMiB: 900,
    },
  };
}

/** A stage 2 configuration: what its own file says, and the foundation of an adopted suite's stage 1. */
export function pairConfiguration(): { own: Record<string, unknown>; foundation: Foundation } {
  const key = { privateKeyFile: "~/.ssh/im-suite-ha", hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5" };
  const stage1 = adoptedConfiguration();
  Object.assign(stage1.servers.a, { address: "10.0.0.11" });
  return {
    own: {
      stage: 2,
      servers: { b: { address: "10.0.0.12", ...key } },
      witness: { mode: "host", address: "10.0.0.13", ...key },
      vip: { mode: "keepalived", address: "10.0.0.100", prefixLength: 24, interface: "eth0" },
    },
    foundation: foundationOf(parseConfiguration(stage1)),
  };
}
