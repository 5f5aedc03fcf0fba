import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FileAsker } from "../../commands/configure/ask.ts";
import { signedHeaders } from "../../commands/configure/s3-signature.ts";
import { fingerprint, judgeMinio, parseHostKeys } from "../../commands/configure/server-checks.ts";
import { proposePort, proposeSuite } from "../../commands/configure/suite-proposal.ts";
import type { ContainerFacts, ServerFacts } from "../../preflight/facts.ts";
import { adoptableFacts } from "./fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "im-configure-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("which container is what", () => {
  const nothing = { containers: {}, ports: {}, without: [] };
  const base = adoptableFacts().containers[0] as ContainerFacts;
  const facts = (...containers: Partial<ContainerFacts>[]): ServerFacts => ({
    ...adoptableFacts(),
    containers: containers.map((one) => ({ ...base, ...one })),
  });

  test("the roadmap's names", () => {
    expect(proposeSuite(adoptableFacts(), nothing)).toMatchObject({
      mysql: { container: "im-mysql-prod", port: 3307 },
      grafana: { container: "im-grafana-prod", port: 3000 },
    });
  });

  test("other names, told by the image, whatever its registry, tag and digest", () => {
    const proposal = proposeSuite(
      facts(
        {
          name: "db",
          image: "registry.example:5000/library/mysql:8.0@sha256:00",
          published: [{ address: "0.0.0.0", port: 13306, containerPort: 3306 }],
        },
        { name: "cache", image: "redis", published: [] },
        { name: "mysql-backup", image: "tools/mysql-backup:1" },
      ),
      nothing,
    );
    expect(proposal).toEqual({ mysql: { container: "db", port: 13_306 }, redis: { container: "cache", port: 6379 } });
  });

  test("two of a kind are no guess", () => {
    expect(proposeSuite(facts({ name: "one", image: "mysql:8" }, { name: "two", image: "mysql:8" }), nothing)).toEqual(
      {},
    );
  });

  test("what was configured wins, a stopped container and one of ours never", () => {
    const known = { containers: { mysql: "two" }, ports: {}, without: ["redis" as const] };
    const two = facts({ name: "one", image: "mysql:8" }, { name: "two", image: "mysql:8" }, { name: "im-redis-prod" });
    expect(proposeSuite(two, known)).toMatchObject({ mysql: { container: "two" } });
    expect(proposeSuite(two, known)).not.toHaveProperty("redis");
    expect(proposeSuite(facts({ name: "im-mysql-prod", status: "exited" }), nothing)).toEqual({});
    expect(proposeSuite(facts({ name: "im-mysql-prod", stage: "1" }), nothing)).toEqual({});
  });

  test("the port: the configured one while it is true, else what is published", () => {
    const published = [
      { address: "0.0.0.0", port: 9999, containerPort: 9001 },
      { address: "0.0.0.0", port: 19_000, containerPort: 9000 },
    ];
    const minio = { ...base, published };
    const port = (known?: number) => proposePort("minio", minio, facts(minio), known);
    expect(port()).toBe(19_000);
    expect(port(9999)).toBe(9999);
    expect(port(1234)).toBe(19_000);
    expect(proposePort("minio", { ...base, published: [] }, facts(), undefined)).toBe(9000);
  });
});

describe("host keys", () => {
  test("the best comes first, comments and unknown types go", () => {
    const output =
      "# 203.0.113.10:22 SSH-2.0\n203.0.113.10 ssh-rsa AAAAr\n203.0.113.10 ssh-dss AAAAd\n[203.0.113.10]:22 ssh-ed25519 AAAAe\n";
    expect(parseHostKeys(output)).toEqual(["ssh-ed25519 AAAAe", "ssh-rsa AAAAr"]);
    expect(parseHostKeys("")).toEqual([]);
  });

  test("the fingerprint is the one that ssh-keygen shows", () => {
    const file = join(folder, "host-key");
    spawnSync("ssh-keygen", ["-q", "-t", "ecdsa", "-N", "", "-f", file]);
    const shown = spawnSync("ssh-keygen", ["-lf", `${file}.pub`], { encoding: "utf8" }).stdout.split(" ")[1];
    const key = spawnSync("ssh-keygen", ["-yf", file], { encoding: "utf8" }).stdout.split(" ").slice(0, 2).join(" ");
    expect(shown).toMatch(/^SHA256:/);
    expect(fingerprint(key.trim())).toBe(shown);
  });
});

describe("MinIO's keys", () => {
  test("the signature is the one of the example in the S3 documentation", () => {
    const headers = signedHeaders({
      host: "examplebucket.s3.amazonaws.com",
      path: "/",
      query: "lifecycle=",
      region: "us-east-1",
      accessKey: "AKIAIOSFODNN7EXAMPLE",
      secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      at: new Date("2013-05-24T00:00:00Z"),
    });
    expect(headers["Authorization"]).toContain(
      "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
    expect(JSON.stringify(headers)).not.toContain("wJalrXUtnFEMI");
  });

  test.each([
    ["<Code>InvalidAccessKeyId</Code>\nstatus=403", "no such access key"],
    ["<Code>SignatureDoesNotMatch</Code>\nstatus=403", "does not accept this secret key"],
    ["\nstatus=000", "does not answer on port 9000"],
    ["<ListAllMyBucketsResult/>\nstatus=200", true],
    ["<Code>AccessDenied</Code>\nstatus=403", true],
  ])("%j", (answer, expected) => {
    const judgement = judgeMinio(answer, 9000);
    if (expected === true) expect(judgement).toBe(true);
    else expect(judgement).toContain(expected);
  });
});

describe("answers from a file", () => {
  const told: string[] = [];
  function asker(content: unknown, mode = 0o600): FileAsker {
    const file = join(folder, "answers.json");
    rmSync(file, { force: true });
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    chmodSync(file, mode);
    return new FileAsker(file, (line) => told.push(line));
  }
  const short = (answer: string) => (answer.length < 4 ? "expected four characters" : true);
  const question = { key: "k", message: "What?", check: short };
  const modes = {
    key: "mode",
    message: "Mode?",
    choices: [
      { value: "adopt" as const, name: "a", disabled: "no Docker" },
      { value: "create" as const, name: "c" },
    ],
  };

  test("a file that others can read is refused: it holds passwords", () => {
    expect(() => asker({}, 0o644)).toThrow("chmod 600");
  });

  test.each(["not json", "[]", "null"])("something else than an object is refused: %s", (content) => {
    expect(() => asker(content)).toThrow("--answers");
  });

  test("given, default, missing, wrong", async () => {
    expect(await asker({ k: "given" }).text({ ...question, default: "standard" })).toBe("given");
    expect(await asker({ k: 12345 }).text(question)).toBe("12345");
    expect(await asker({}).text({ ...question, default: "standard" })).toBe("standard");
    await expect(asker({}).text(question)).rejects.toThrow('"k" is missing (What?)');
    await expect(asker({ k: "abc" }).text(question)).rejects.toThrow('"k" = "abc": expected four characters');
    await expect(asker({}).text({ ...question, default: "abc" })).rejects.toThrow("expected four characters");
  });

  test("a secret is neither told nor in an error", async () => {
    told.length = 0;
    expect(await asker({ k: "canary" }).secret(question)).toBe("canary");
    expect(await asker({}).secret({ ...question, current: "canary" })).toBe("canary");
    const wrong = asker({ k: "can" }).secret(question);
    await expect(wrong).rejects.toThrow('"k": expected four characters');
    await expect(wrong).rejects.not.toThrow('can"');
    expect(told).toEqual(["What? (given)", "What? (kept)"]);
  });

  test("only what can be chosen", async () => {
    expect(await asker({ mode: "create" }).choose(modes)).toBe("create");
    await expect(asker({ mode: "adopt" }).choose(modes)).rejects.toThrow("no Docker");
    await expect(asker({ mode: "x" }).choose(modes)).rejects.toThrow('expected one of "adopt", "create"');
    await expect(asker({ sure: "yes" }).confirm({ key: "sure", message: "?", default: true })).rejects.toThrow(
      "expected true or false",
    );
  });

  test("an answer that nobody asks for is refused: it may be a misspelt one", async () => {
    const file = asker({ k: "given", kk: 1 });
    await file.text(question);
    expect(() => file.requireAllTaken()).toThrow('nobody asks for "kk"');
  });
});
