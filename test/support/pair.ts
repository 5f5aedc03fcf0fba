import * as pulumi from "@pulumi/pulumi";
import { foundationOf } from "../../config/foundation.ts";
import { loadConfiguration } from "../../config/load.ts";
import type { Configuration } from "../../config/schema.ts";
import type { Credentials } from "../../config/stage-credentials.ts";
import type { StackBelow } from "../../stacks/stack-below.ts";
import { canary, testConfiguration } from "./mocks.ts";

/** A pair as a test has it: the configuration of stage 2 on that of stage 1, and what stage 1 would have as outputs. */
export interface TestPair {
  readonly configuration: Configuration;
  readonly below: StackBelow;
}

/** Keys of stage 2 of the lab: server b, a witness, a virtual IP. */
export function pairKeys(server: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    stage: 2,
    servers: { b: { ...server, address: "198.18.0.12" } },
    witness: { mode: "host", ...server, address: "198.18.0.13" },
    vip: { mode: "keepalived", address: "198.18.0.100", prefixLength: 24, interface: "eth0" },
  };
}

export function testPair(suite: Record<string, unknown>, more: Record<string, unknown> = {}): TestPair {
  const stage1 = testConfiguration(suite);
  const { address: _address, ...server } = stage1.servers.a ?? {};
  const own = { ...pairKeys(server), ...more };
  const flat = Object.fromEntries(Object.entries(own).map(([key, value]) => [`im:${key}`, JSON.stringify(value)]));
  // Through JSON, as a stack output comes.
  const foundation = JSON.parse(JSON.stringify(foundationOf(stage1)));
  const credentials: Credentials = {
    mysql: {
      root: canary.mysqlRootPassword,
      exporter: "canaryexporter",
      health: "canaryhealth",
      ...(suite["mode"] === "create" ? { application: "canary-application" } : {}),
    },
    redis: { password: canary.redisPassword },
    minio: {
      accessKey: canary.minioAccessKey,
      secretKey: canary.minioSecretKey,
      ...(suite["mode"] === "create" ? { application: { accessKey: "im-app-1", secretKey: "canary-minio-app" } } : {}),
    },
    backup: { key: "canary-backup-key" },
  };
  return {
    configuration: loadConfiguration(flat, foundation),
    below: {
      name: "organization/im-suite-ha/stage1",
      foundation,
      credentials: pulumi.secret(credentials),
      redisHasPassword: true,
    },
  };
}
