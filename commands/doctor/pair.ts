import { pairContainer, pairOf } from "../../config/pair.ts";
import type { EtcdMemberName } from "../../config/pair-names.ts";
import type { Configuration } from "../../config/schema.ts";
import type { ServerConfiguration } from "../../config/server-schema.ts";
import { OperatorError } from "../../lib/errors.ts";
import { readPrivateKey } from "../../lib/ssh.ts";
import type { Finding } from "../../preflight/checks.ts";
import { checkStage2, type PairServerFacts } from "../../preflight/pair-checks.ts";
import { parsePairFacts, renderPairQuestions } from "../../preflight/pair-facts.ts";
import { noPairQuestions, pairQuestions } from "../../preflight/pair-probe.ts";
import { probe } from "../../preflight/probe.ts";
import { compareInventory, type Row } from "./compare.ts";
import { type Inventory, parseObserved, renderQuestions } from "./observe.ts";

interface Looked {
  readonly rows: readonly Row[];
  readonly facts: PairServerFacts | undefined;
}

/**
 * Looks at both data servers and the witness side by side. What concerns more than one of them can be judged only when all answer; a server
 * that does not is a row of its own, and the others still count.
 */
export async function diagnosePair(
  configuration: Configuration,
  inventories: Partial<Record<string, Inventory>>,
): Promise<Record<string, Row[]>> {
  const { servers, witness } = pairOf(configuration);
  const members: [EtcdMemberName, string, ServerConfiguration][] = [
    ["a", "im:servers.a", servers.a],
    ["b", "im:servers.b", servers.b],
    ...(witness.mode === "host"
      ? [["witness", "im:witness", witness] satisfies [EtcdMemberName, string, ServerConfiguration]]
      : []),
  ];
  const looked = Object.fromEntries(
    await Promise.all(
      members.map(async ([name, path, server]) => [
        name,
        await look(configuration, name, path, server, inventories[name]),
      ]),
    ),
  ) as Partial<Record<EtcdMemberName, Looked>>;
  const { a, b, witness: third } = looked;
  const complete =
    a?.facts !== undefined && b?.facts !== undefined && (third === undefined || third.facts !== undefined);
  const findings = complete
    ? checkStage2(configuration, { a: a.facts, b: b.facts, witness: third?.facts } as Parameters<typeof checkStage2>[1])
    : [];
  return Object.fromEntries(
    members.map(([name]) => [name, [...findingRows(findings, name, complete), ...(looked[name]?.rows ?? [])]]),
  );
}

async function look(
  configuration: Configuration,
  name: EtcdMemberName,
  path: string,
  server: ServerConfiguration,
  inventory: Inventory | undefined,
): Promise<Looked> {
  try {
    readPrivateKey(server.privateKeyFile, `${path}.privateKeyFile`);
    const container = name === "witness" ? "" : pairContainer(configuration, name, "mysql");
    const { facts, output } = await probe(server, path, {
      extra: [
        ...renderPairQuestions(name === "witness" ? noPairQuestions : pairQuestions(configuration, name)),
        ...(inventory === undefined ? [] : renderQuestions(inventory, container)),
      ],
    });
    return {
      rows: inventory === undefined ? [] : compareInventory(inventory, parseObserved(output, inventory), facts),
      facts: { general: facts, pair: parsePairFacts(output) },
    };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return {
      rows: [{ what: "connection", expected: "a look at the server", found: error.message, verdict: "refuse" }],
      facts: undefined,
    };
  }
}

/** Findings by the server that their path names; what is about the pair stands at server a. */
function findingRows(findings: readonly Finding[], name: EtcdMemberName, complete: boolean): Row[] {
  const about = ({ path }: Finding): EtcdMemberName =>
    path.startsWith("im:servers.b") ? "b" : path.startsWith("im:witness") ? "witness" : "a";
  const own = findings.filter((finding) => about(finding) === name);
  if (own.length === 0) {
    return complete ? [{ what: "preflight", expected: "nothing in the way", found: "nothing", verdict: "ok" }] : [];
  }
  return own.map(({ level, path, message }) => ({
    what: path,
    expected: "",
    found: message,
    verdict: level === "refuse" ? "refuse" : "note",
  }));
}
