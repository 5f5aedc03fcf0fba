import { isIPv4 } from "node:net";
import { z } from "zod";
import { defaultLimits } from "../agent/view.ts";
import { address, isPrivate } from "./addresses.ts";
import { failoverPorts } from "./failover.ts";
import type { SuiteService } from "./names.ts";
import { pairPorts } from "./ports.ts";
import { betweenServers, type ServerConfiguration, server } from "./server-schema.ts";

/** What stage 2 adds to the configuration. See docs/decisions/0020-pair-plan.md. */

/** Services that move with the virtual IP. */
export const movedServices = ["mysql", "redis", "minio", "backend", "admin"] as const satisfies readonly SuiteService[];
export type MovedService = (typeof movedServices)[number];

/** The third vote. Any small host; never one of the two. */
export const witness = z.discriminatedUnion(
  "mode",
  [
    z.strictObject({ mode: z.literal("host"), ...server.shape }),
    z.strictObject({
      mode: z.literal("none"),
      /**
       * failover: the replica takes over by itself, and a lost replica blocks writes until a person says that it is off. availability: the
       * primary goes on alone, and a person fails over. Both at once would acknowledge on both sides of a cut link.
       */
      policy: z.enum(["failover", "availability"]).default("failover"),
    }),
  ],
  { error: 'expected mode: "host" (a third small server votes) or "none" (with policy "failover" or "availability")' },
);

const interfaceName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/, "expected a network interface such as eth0");

const keepalived = z.strictObject({
  mode: z.literal("keepalived"),
  address,
  prefixLength: z.int("expected a whole number").min(1).max(128),
  /** The interface of the virtual IP: one name, or one for each server. */
  interface: z.union([interfaceName, z.strictObject({ a: interfaceName, b: interfaceName })], {
    error: "expected a network interface such as eth0, or {a: eth0, b: ens3}",
  }),
  virtualRouterId: z.int().min(1).max(255).default(51),
  vrrpVersion: z.union([z.literal(2), z.literal(3)], { error: "expected 2 or 3" }).default(3),
  /** Seconds. A node takes the address after three of them and a little more. */
  advertInterval: z.number().min(0.1).max(40).optional(),
  priorities: z
    .strictObject({ a: z.int().min(1).max(254).default(100), b: z.int().min(1).max(254).default(90) })
    .prefault({}),
  /**
   * What an adopted suite publishes on every address of server A: there it answers on the virtual IP by itself. Default: everything of an
   * adopted suite; of a created one what im:suite.publicAddress says.
   */
  servedBySuite: z.array(z.enum(movedServices)).optional(),
});

export const vip = z.discriminatedUnion(
  "mode",
  [
    keepalived,
    z.strictObject({
      mode: z.literal("hook"),
      /** Program on both servers, and its arguments; the role (leader, replica, none) is added as the last one. */
      command: z
        .array(z.string().min(1))
        .min(1, "expected a program and its arguments")
        .refine((words) => words[0]?.startsWith("/"), "expected the absolute path of a program on the servers"),
      /** Where clients find the leader then, if it is an address: for the outputs, HAProxy and the metrics. */
      address: address.optional(),
    }),
    z.strictObject({ mode: z.literal("none") }),
  ],
  { error: 'expected mode: "keepalived" (one network), "hook" (your command moves the address) or "none"' },
);

const milliseconds = z.int("expected whole milliseconds").min(1, "expected at least 1 ms").max(600_000);

const mebibytes = (least: number, usual: number) => z.int("expected whole MiB").min(least).default(usual);

export const redundancy = z.strictObject({
  /** Bounds of the controller's decisions: how long people wait, never what is safe. */
  limits: z
    .strictObject(
      Object.fromEntries(Object.entries(defaultLimits).map(([name, value]) => [name, milliseconds.default(value)])) as {
        [Name in keyof typeof defaultLimits]: z.ZodDefault<typeof milliseconds>;
      },
    )
    .prefault({}),
  /** Memory limits on server B. MySQL's buffer pool there is half of its limit. */
  memoryMiB: z
    .strictObject({
      mysql: mebibytes(512, 2048),
      redis: mebibytes(64, 512),
      minio: mebibytes(256, 1024),
      backend: mebibytes(64, 512),
      admin: mebibytes(32, 128),
    })
    .prefault({}),
  /** Processors of the two data servers: the controller brings its own Node, and server B runs A's images. */
  architecture: z.enum(["x64", "arm64"], { error: "expected x64 or arm64" }).default("x64"),
  /** Others that may reach the ports between the servers, for example a monitoring host of yours. */
  allowedPeers: z.array(address).default([]),
  /** Raised by one: the next `up` brings server A's images to B again, after a deploy of yours. */
  imagesGeneration: z.int().min(1).default(1),
  /** Data containers of B whose replacement or destruction is allowed in the next run. */
  allowReplace: z.array(z.enum(["mysql", "redis", "minio"])).default([]),
});

export type WitnessConfiguration = z.output<typeof witness>;
export type VipConfiguration = z.output<typeof vip>;
export type KeepalivedConfiguration = Extract<VipConfiguration, { mode: "keepalived" }>;
export type RedundancyConfiguration = z.output<typeof redundancy>;

/** Seconds between two advertisements. Version 2 knows whole seconds only. */
export function advertInterval({ advertInterval, vrrpVersion }: KeepalivedConfiguration): number {
  return advertInterval ?? (vrrpVersion === 3 ? 0.2 : 1);
}

export interface PairIssue {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  readonly message: string;
}

export interface PairValues {
  readonly stage: 1 | 2 | 3;
  readonly servers: Readonly<Partial<Record<"a" | "b" | "c", ServerConfiguration>>>;
  readonly suite: { readonly ports: Readonly<Record<string, number>> };
  readonly witness?: WitnessConfiguration | undefined;
  readonly vip?: VipConfiguration | undefined;
}

/** Rules of stage 2 that are about more than one key. */
export function pairIssues({ stage, servers, suite, witness, vip }: PairValues): PairIssue[] {
  if (stage === 1) {
    return Object.entries({ witness, vip }).flatMap(([key, value]) =>
      value === undefined ? [] : [{ path: [key], value: value.mode, message: "belongs to stage 2: remove this key" }],
    );
  }
  const issues: PairIssue[] = [];
  const issue = (path: (string | number)[], value: unknown, message: string) => issues.push({ path, value, message });
  if (servers.b === undefined) issue(["servers", "b"], undefined, "stage 2 needs server b");
  if (witness === undefined) {
    issue(
      ["witness"],
      undefined,
      'expected mode: "host" (a third small server votes) or "none" (see docs/decisions/0020-pair-plan.md)',
    );
  }
  if (vip === undefined) {
    issue(["vip"], undefined, 'expected mode: "keepalived", "hook" or "none"; no address is taken by default');
  }
  const members: [string[], ServerConfiguration][] = [];
  if (servers.a !== undefined) members.push([["servers", "a"], servers.a]);
  if (servers.b !== undefined) members.push([["servers", "b"], servers.b]);
  if (witness?.mode === "host") members.push([["witness"], witness]);
  for (const [path, member] of members) {
    const between = betweenServers(member);
    const key = member.privateAddress === undefined ? "address" : "privateAddress";
    if (!isIPv4(between) || !isPrivate(between)) {
      issue(
        [...path, key],
        between,
        "the servers reach one another here, and Redis and MinIO replicate unencrypted: expected a private IPv4 address in privateAddress (a private network of the provider, or a tunnel such as WireGuard)",
      );
    }
  }
  if (witness?.mode === "host") {
    for (const alias of ["a", "b"] as const) {
      const other = servers[alias];
      if (other === undefined) continue;
      if (other.address === witness.address || betweenServers(other) === betweenServers(witness)) {
        issue(
          ["witness", "address"],
          witness.address,
          `this is server ${alias}: a witness on one of the two dies with it. Expected a third host, or im:witness.mode: none`,
        );
      }
    }
  }
  if (vip?.mode === "keepalived") issues.push(...keepalivedIssues(vip, servers));
  const taken = { ...failoverPorts, ...pairPorts };
  for (const [service, port] of Object.entries(suite.ports)) {
    const name = Object.entries(taken).find(([, one]) => one === port)?.[0];
    if (name !== undefined) {
      issue(
        ["suite", "ports", service],
        port,
        `stage 2 needs port ${port} for itself (${name}): choose another in stage 1`,
      );
    }
  }
  return issues;
}

function keepalivedIssues(vip: KeepalivedConfiguration, servers: PairValues["servers"]): PairIssue[] {
  const issues: PairIssue[] = [];
  const issue = (path: string[], value: unknown, message: string) =>
    issues.push({ path: ["vip", ...path], value, message });
  if (!isIPv4(vip.address)) issue(["address"], vip.address, "expected an IPv4 address");
  else if (vip.prefixLength > 32) issue(["prefixLength"], vip.prefixLength, "expected 32 or less");
  for (const [alias, one] of Object.entries(servers)) {
    if (one !== undefined && (one.address === vip.address || betweenServers(one) === vip.address)) {
      issue(["address"], vip.address, `this is server ${alias}'s own address: expected one that nobody has`);
    }
  }
  if (vip.vrrpVersion === 2 && !Number.isInteger(advertInterval(vip))) {
    issue(
      ["advertInterval"],
      vip.advertInterval,
      "VRRP version 2 knows whole seconds only: expected 1 or more, or vrrpVersion: 3",
    );
  }
  if (vip.priorities.a === vip.priorities.b) {
    issue(["priorities"], vip.priorities, "expected two different priorities, such as {a: 100, b: 90}");
  }
  return issues;
}
