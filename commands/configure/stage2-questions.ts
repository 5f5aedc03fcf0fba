import { isPrivate } from "../../config/addresses.ts";
import { type Foundation, onFoundation } from "../../config/foundation.ts";
import { parseConfiguration, problemAt as schemaProblemAt } from "../../config/load.ts";
import { servedBySuite } from "../../config/pair.ts";
import type { Configuration, ServerConfiguration } from "../../config/schema.ts";
import { OperatorError } from "../../lib/errors.ts";
import { type Finding, requireNoRefusal } from "../../preflight/checks.ts";
import { checkStage2, type PairServersFacts } from "../../preflight/pair-checks.ts";
import type { InterfaceAddress } from "../../preflight/pair-facts.ts";
import { probePair } from "../../preflight/pair-probe.ts";
import type { Judgement } from "./ask.ts";
import { lookAtAddresses } from "./pair-addresses.ts";
import { askServer, type Conversation, type Plain, textOf } from "./server-questions.ts";

export interface Stage2Answers {
  /** The `im:` keys of stage 2, as they are written. */
  readonly raw: Plain;
  readonly configuration: Configuration;
  readonly findings: readonly Finding[];
}

/**
 * Asks what stage 2 needs beside stage 1's own configuration; the servers are looked at as in a preview before anything is written.
 * @throws OperatorError with what stands in the way.
 */
export async function askStage2(conversation: Conversation, foundation: Foundation): Promise<Stage2Answers> {
  const { ask, tell, existing } = conversation;
  const serversNow = (existing["servers"] ?? {}) as Plain;
  const witnessNow = (existing["witness"] ?? {}) as Plain;
  const a = foundation.servers.a;
  if (a === undefined)
    throw new OperatorError("Stage 1 names no server a: pulumi up -s stage1 with this version first.");
  const raw: Plain = { ...existing, stage: 2 };
  /** What the schema says of one value of stage 2, on top of what was answered so far. */
  const problem = (path: string, put: Plain): Judgement =>
    schemaProblemAt(path, onFoundation({ ...raw, ...put }, foundation).raw) ?? true;

  const { server: b } = await askServer(conversation, {
    key: "servers.b",
    what: "the second server",
    known: (serversNow["b"] ?? {}) as Plain,
  });
  const addresses = { a: await lookAtAddresses(a, "im:servers.a"), b: await lookAtAddresses(b, "im:servers.b") };
  raw["servers"] = {
    ...serversNow,
    ...(await privateAddress(conversation, "a", a, addresses.a, (serversNow["a"] ?? {}) as Plain)),
    b: written(b, await privateAddress(conversation, "b", b, addresses.b, (serversNow["b"] ?? {}) as Plain)),
  };

  const witness = await ask.choose({
    key: "witness.mode",
    message: "A third vote, on any small server of yours:",
    default: witnessNow["mode"] === "none" ? "none" : "host",
    choices: [
      { value: "host", name: "host: any one of the three servers may fail, and nobody need do anything" },
      { value: "none", name: "none: exactly two servers; what then happens by itself is the next question" },
    ],
  });
  if (witness === "host") {
    const { server } = await askServer(conversation, { key: "witness", what: "the witness", known: witnessNow });
    const between = await privateAddress(
      conversation,
      "witness",
      server,
      await lookAtAddresses(server, "im:witness"),
      witnessNow,
    );
    raw["witness"] = { mode: "host", ...written(server, between) };
  } else {
    const policy = await ask.choose({
      key: "witness.policy",
      message: "Two servers cannot tell a dead one from a cut cable:",
      default: witnessNow["policy"] === "availability" ? "availability" : "failover",
      choices: [
        { value: "failover", name: "failover: b takes over by itself; when b is lost, writes wait for you" },
        { value: "availability", name: "availability: a goes on alone by itself; a failover waits for you" },
      ],
    });
    raw["witness"] = { mode: "none", policy };
  }

  raw["vip"] = await askVip(conversation, addresses, problem);
  const parse = () => parseConfiguration(onFoundation(raw, foundation).raw);
  let configuration = parse();
  tell("Looking at the servers as a preview does …");
  const facts = await probePair(configuration);
  const served = servedAsFound(configuration, facts);
  if (served !== undefined) {
    (raw["vip"] as Plain)["servedBySuite"] = served;
    configuration = parse();
  }
  const findings = checkStage2(configuration, facts);
  requireNoRefusal(findings);
  return { raw, configuration, findings };
}

/** As it is written: what is the schema's default is left out. */
function written({ address, sshPort, privateKeyFile, hostKey }: ServerConfiguration, more: Plain): Plain {
  return { address, ...(sshPort === 22 ? {} : { sshPort }), privateKeyFile, hostKey, ...more };
}

/** The address between the servers, asked only where the one of ssh cannot be it. Of server a it is all that stage 2 writes. */
async function privateAddress(
  { ask }: Conversation,
  name: "a" | "b" | "witness",
  server: ServerConfiguration,
  addresses: readonly InterfaceAddress[],
  known: Plain,
): Promise<Plain> {
  const wrap = (more: Plain): Plain => (name === "a" && Object.keys(more).length > 0 ? { a: more } : more);
  const own = addresses.some((one) => one.address === server.address);
  if (isPrivate(server.address) && own && known["privateAddress"] === undefined) return {};
  const candidates = addresses.filter((one) => isPrivate(one.address) && one.interface !== "lo");
  const answer = await ask.text({
    key: `${name === "witness" ? name : `servers.${name}`}.privateAddress`,
    message: `Private address by which the other servers reach ${name === "witness" ? "the witness" : `server ${name}`}:`,
    default: textOf(known["privateAddress"]) ?? candidates[0]?.address,
    check: (given) =>
      candidates.some((one) => one.address === given)
        ? true
        : `not a private address of this server; it has ${candidates.map((one) => `${one.address} (${one.interface})`).join(", ") || "none: order a private network, or set up a tunnel such as WireGuard"}`,
  });
  return wrap(answer === server.address ? {} : { privateAddress: answer });
}

async function askVip(
  { ask, existing }: Conversation,
  addresses: Readonly<Record<"a" | "b", readonly InterfaceAddress[]>>,
  problem: (path: string, put: Plain) => Judgement,
): Promise<Plain> {
  const known = (existing["vip"] ?? {}) as Plain;
  const mode = await ask.choose({
    key: "vip.mode",
    message: "How clients find the leader:",
    default: known["mode"] === "hook" || known["mode"] === "none" ? known["mode"] : "keepalived",
    choices: [
      { value: "keepalived", name: "keepalived: a free address of the servers' own network moves by itself" },
      { value: "hook", name: "hook: a command of yours moves an address (most clouds)" },
      { value: "none", name: "none: clients know both servers" },
    ],
  });
  if (mode === "none") return { mode };
  if (mode === "hook") {
    const commandNow = Array.isArray(known["command"]) ? known["command"].join(" ") : undefined;
    const command = await ask.text({
      key: "vip.command",
      message: "Program on both servers, with its arguments (the role is added as the last one):",
      default: commandNow,
      check: (answer) => problem("vip.command", { vip: { mode, command: answer.split(/\s+/) } }),
    });
    return { ...kept(known, mode), mode, command: command.split(/\s+/) };
  }
  const networks = addresses.a.filter(
    (one) => one.interface !== "lo" && !one.interface.startsWith("br-") && one.interface !== "docker0",
  );
  const address = await ask.text({
    key: "vip.address",
    message: `A free address of the servers' network (${networks.map((one) => `${one.interface} ${one.address}/${one.prefixLength}`).join(", ")}):`,
    default: textOf(known["address"]),
    check: (answer) => problem("vip.address", { vip: { mode, address: answer, prefixLength: 24, interface: "eth0" } }),
  });
  const of = (server: "a" | "b") => networkOf(addresses[server], address);
  const [onA, onB] = [of("a"), of("b")];
  if (onA === undefined || onB === undefined) {
    const missing = onA === undefined ? "a" : "b";
    throw new OperatorError(
      `vip.address = ${address}: server ${missing} has no network with it (${addresses[missing].map((one) => `${one.interface} ${one.address}/${one.prefixLength}`).join(", ")}). Expected a free address of a network that both servers are in.`,
    );
  }
  return {
    ...kept(known, mode),
    mode,
    address,
    prefixLength: onA.prefixLength,
    interface: onA.interface === onB.interface ? onA.interface : { a: onA.interface, b: onB.interface },
  };
}

/** What an operator has set beside the questions stays, as long as the mode does. */
function kept(known: Plain, mode: string): Plain {
  return known["mode"] === mode ? known : {};
}

/** The interface whose network holds an address. */
export function networkOf(addresses: readonly InterfaceAddress[], wanted: string): InterfaceAddress | undefined {
  const numberOf = (address: string) => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return addresses.find(({ address, prefixLength }) => {
    const size = 2 ** (32 - prefixLength);
    return prefixLength < 32 && Math.floor(numberOf(address) / size) === Math.floor(numberOf(wanted) / size);
  });
}

/** Which services server A itself answers on every address, when that differs from what is configured. */
function servedAsFound(configuration: Configuration, facts: PairServersFacts): string[] | undefined {
  if (configuration.vip?.mode !== "keepalived") return undefined;
  const { suite } = configuration;
  const now = servedBySuite(configuration);
  const found = (["mysql", "redis", "minio", "backend", "admin"] as const).filter((service) => {
    if (suite.without.includes(service)) return false;
    const name = suite.mode === "adopt" ? suite.containers[service] : `im-${service}`;
    const container = facts.a.general.containers.find((one) => one.name === name);
    return container?.published.some(
      (one) => one.port === suite.ports[service] && ["0.0.0.0", "::"].includes(one.address),
    );
  });
  return JSON.stringify([...now].sort()) === JSON.stringify([...found].sort()) ? undefined : found;
}
