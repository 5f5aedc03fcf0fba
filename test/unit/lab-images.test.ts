import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { imageReference } from "../../lab/build-image.ts";
import { parseLabReference, parseVersion, repositoryOf, requireImage } from "../../lab/images.ts";

describe("image references of the lab", () => {
  const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
  it("takes a reference apart", () => {
    expect(parseLabReference(`198.18.0.2:5000/im/mysql:9.7.4@${digest}`)).toEqual({
      repository: "im/mysql",
      tag: "9.7.4",
      digest,
    });
  });
  it.each([
    `registry.example.com/im/mysql:9.7.4@${digest}`,
    "198.18.0.2:5000/im/mysql:9.7.4",
    `198.18.0.2:5000/im/mysql:9.7.4@${digest.slice(0, -1)}`,
  ])("takes nothing else for one: %s", (reference) => {
    expect(parseLabReference(reference)).toBeUndefined();
  });
  it("names repositories in lower case", () => {
    expect(repositoryOf("mysqldExporter")).toBe("im/mysqld-exporter");
    expect(repositoryOf("mysql")).toBe("im/mysql");
  });
  it("gives the reason where an image cannot be had", () => {
    expect(requireImage({ mysql: { reference: "r", origin: "built", version: "1", definition: "d" } }, "mysql")).toBe(
      "r",
    );
    expect(() => requireImage({ grafana: { unavailable: "no package." } }, "grafana")).toThrow(
      /"grafana": no package\./,
    );
    expect(() => requireImage({}, "redis")).toThrow(/npm run lab -- images/);
  });
});

describe("what programs say about their version", () => {
  it.each([
    ["/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "9.7.4"],
    ["Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"],
    ["prometheus, version 3.5.3 (branch: debian/sid)\n  go version: go1.26.1", "3.5.3"],
    ["mysqld_exporter, version 0.17.2+ds", "0.17.2"],
    ["INFO Redis Metrics Exporter 1.69.0    build date:", "1.69.0"],
  ])("%s", (text, version) => {
    expect(parseVersion(text)).toBe(version);
  });
  it("does not invent one", () => {
    expect(() => parseVersion("unknown option --version")).toThrow(/no version/);
  });
});

describe("the key of an image", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "im-lab-image-"));
    mkdirSync(join(directory, "root"));
    writeFileSync(join(directory, "Dockerfile"), "FROM x\n");
    writeFileSync(join(directory, "root", "file"), "one");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("stays as long as nothing changes", () => {
    const definition = { name: "x", directory, base: "im-lab/base:1" };
    expect(imageReference(definition)).toBe(imageReference({ ...definition }));
    expect(imageReference(definition)).toMatch(/^im-lab\/x:[0-9a-f]{12}$/);
  });
  it("changes with the base, an argument, a compiled file, a file's content and a file's name", () => {
    const definition = { name: "x", directory, base: "im-lab/base:1" };
    const seen = [
      imageReference(definition),
      imageReference({ ...definition, base: "im-lab/base:2" }),
      imageReference({ ...definition, buildArguments: { RELEASE: "sid" } }),
      imageReference({ ...definition, filesKey: "v1" }),
    ];
    writeFileSync(join(directory, "root", "file"), "two");
    seen.push(imageReference(definition));
    rmSync(join(directory, "root", "file"));
    writeFileSync(join(directory, "root", "other"), "two");
    seen.push(imageReference(definition));
    expect(new Set(seen).size).toBe(seen.length);
  });
});
