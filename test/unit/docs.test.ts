import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { minioMetricsAccount, mysqlAccounts } from "../../config/names.ts";
import { configurationSchema } from "../../config/schema.ts";
import { repositoryRoot } from "../../lib/paths.ts";

/**
 * What the pages say must be there: commands that exist, links that lead somewhere, and the same commands in both languages. Cheap on
 * purpose: whether a command does what its page says is for the lab.
 */

const files = (folder: string) =>
  readdirSync(join(repositoryRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(repositoryRoot, join(entry.parentPath, entry.name)));
const read = (path: string) => readFileSync(join(repositoryRoot, path), "utf8");

const pages = ["README.md", "README.zh-CN.md", ...files("docs").filter((path) => path.endsWith(".md"))];
const chineseOf = (page: string) => page.replace(/\.md$/, ".zh-CN.md");
const isChinese = (page: string) => page.endsWith(".zh-CN.md");
const english = pages.filter((page) => !isChinese(page));
/** English pages that are in Chinese too. */
const pairs = english.filter((page) => pages.includes(chineseOf(page)));

const fence = /^ *```(\w*)\n([\s\S]*?)^ *```$/gm;
const withoutFences = (text: string) => text.replaceAll(fence, "");
const headings = (text: string) => [...withoutFences(text).matchAll(/^(#+) +(.*)$/gm)];

/** The lines of every block, without comments, which are in the page's language. A drawing's labels are too. */
function commands(page: string): string[][] {
  return [...read(page).matchAll(fence)]
    .filter(([, language]) => language !== "mermaid")
    .map(([, , block = ""]) => block.split("\n").map((line) => line.replace(/(^|\s{2,})#.*$/, "").trimEnd()));
}

/** Anchors as GitHub makes them of headings. */
function anchors(page: string): string[] {
  return headings(read(page)).map(([, , title = ""]) =>
    title
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/g, "-"),
  );
}

/** Relative links of a page: the text, the file from the repository's root, the anchor. */
function links(page: string): { readonly text: string; readonly file: string; readonly anchor: string | undefined }[] {
  return [...withoutFences(read(page)).matchAll(/\[([^\]]*)\]\(([^)\s]+)\)/g)]
    .filter(([, , target = ""]) => !/^[a-z]+:/.test(target))
    .map(([, text = "", target = ""]) => {
      const [path = "", anchor] = target.split("#");
      return { text, file: path === "" ? page : join(dirname(page), path), anchor };
    });
}

/** Every occurrence of a pattern's first group in all pages, with its page. */
function named(pattern: RegExp, where: readonly string[] = pages): { readonly page: string; readonly name: string }[] {
  return where.flatMap((page) => [...read(page).matchAll(pattern)].map(([, name = ""]) => ({ page, name })));
}
const missing = (found: readonly { page: string; name: string }[], exists: (name: string) => boolean) =>
  found.filter(({ name }) => !exists(name)).map(({ page, name }) => `${page}: ${name}`);

const golden = files("test/golden");
const onServer = new Set(golden.map((path) => path.replace(/^test\/golden\/stage\d\/[a-z]\/[a-z]+/, "")));
const goldenText = golden.map(read).join("\n");

describe("both languages", () => {
  it("are there for every page that an operator types from", () => {
    const expected = english.filter((page) => /^(README|docs\/(runbooks\/)?[^/]+)\.md$/.test(page));
    // Figures are for judging us, not for working with.
    expect(expected.filter((page) => !pairs.includes(page))).toEqual(["docs/figures.md"]);
    expect(pages.filter(isChinese).map((page) => page.replace(".zh-CN", ""))).toEqual(pairs);
  });

  it.each(pairs)("%s: the same commands and headings", (page) => {
    expect(commands(chineseOf(page))).toEqual(commands(page));
    const levels = (one: string) => headings(read(one)).map(([, marks = ""]) => marks.length);
    expect(levels(chineseOf(page))).toEqual(levels(page));
  });

  it("lead to pages of their own language, except the link to the other one", () => {
    const astray = pages.filter(isChinese).flatMap((page) =>
      links(page)
        .filter(({ file, text }) => pairs.includes(file) && !["English", "英文"].includes(text))
        .map(({ file }) => `${page}: ${file}`),
    );
    expect(astray).toEqual([]);
  });
});

describe("links", () => {
  it.each(pages)("%s: lead to a file, and to a heading in it", (page) => {
    const broken = links(page).filter(({ file, anchor }) => {
      if (!existsSync(join(repositoryRoot, file))) return true;
      if (anchor === undefined || statSync(join(repositoryRoot, file)).isDirectory()) return false;
      return !anchors(file).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});

describe("what is named", () => {
  it("npm run: is in package.json, and its options are the command's", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    expect(missing(named(/npm run (?:--silent )?([a-z][a-z:-]*)/g), (name) => name in scripts)).toEqual([]);
    const options = named(/(npm run [a-z-]+ -- [^`\n]*)/g).flatMap(({ page, name: line }) => {
      const script = /npm run ([a-z-]+)/.exec(line)?.[1] ?? "";
      const source = /^node (commands\/\S+\.ts)$/.exec(scripts[script] ?? "")?.[1];
      if (source === undefined) return [];
      return [...line.replace(/ #.*/, "").matchAll(/ --([a-z-]+)/g)]
        .filter(([, option]) => !new RegExp(`^ +"?${option}"?: \\{ type: `, "m").test(read(source)))
        .map(([, option]) => `${page}: npm run ${script} -- --${option}`);
    });
    expect(options).toEqual([]);
  });

  it("programs and units: are what the stages install", () => {
    const programs = named(/(\/var\/lib\/im-suite\/bin\/[a-z-]+)/g);
    expect(programs.length).toBeGreaterThan(10);
    expect(missing(programs, (path) => onServer.has(path))).toEqual([]);
    const isUnit = (name: string) => onServer.has(`/etc/systemd/system/${name}`);
    expect(missing(named(/(?<![\w-])(im-[a-z-]+\.(?:service|timer))\b/g), isUnit)).toEqual([]);
    // Without a suffix systemd means the service.
    const typed = named(/systemctl (?:start|status|enable --now) (im-[a-z-]+)(?![\w.-])/g);
    expect(missing(typed, (name) => isUnit(`${name}.service`))).toEqual([]);
    expect(missing(named(/journalctl -u (im-[a-z-]+)(?![\w.-])/g), (name) => isUnit(`${name}.service`))).toEqual([]);
  });

  it("options of im-restore: are in its usage", () => {
    const program = read(golden.find((path) => path.endsWith("/bin/im-restore")) ?? "");
    const usage = /^usage\(\) \{([\s\S]*?)^\}/m.exec(program)?.[1] ?? "";
    const lines = named(/(?<![\w:-])(im-restore (?:list|moments|restore)[^`\n#]*)/g);
    expect(lines.length).toBeGreaterThan(20);
    const unknown = lines.flatMap(({ page, name: line }) =>
      [...line.matchAll(/ (--[a-z-]+)/g)]
        .filter(([, option]) => !new RegExp(`${option}(?![a-z-])`).test(usage))
        .map(([, option]) => `${page}: ${option}`),
    );
    expect(unknown).toEqual([]);
  });

  it("metrics and accounts: are in what the stages install", () => {
    const accounts = new Set<string>([...Object.values(mysqlAccounts), minioMetricsAccount.user]);
    // A histogram is asked for by its buckets.
    const isKnown = (name: string) =>
      accounts.has(name) || new RegExp(`(?<!\\w)${name}(_bucket)?(?!\\w)`).test(goldenText);
    // `im_suite.messages` is a table of an example.
    const ours = named(/(?<![\w.])(im_[a-z_]+)\b(?!\.)/g);
    expect(ours.length).toBeGreaterThan(30);
    expect(missing(ours, isKnown)).toEqual([]);
  });

  it("keys of the configuration: are in its schema", () => {
    const schema = z.toJSONSchema(configurationSchema, { io: "input", unrepresentable: "any" });
    expect(inSchema(schema, ["growth", "enabled"])).toBe(true);
    expect(inSchema(schema, ["growth", "enable"])).toBe(false);
    // The last dot of `im:a.b.` ends a sentence.
    const keys = named(/(?<![\w/])im:([a-z][a-zA-Z]*(?:\.[a-zA-Z0-9-]+)*)/g);
    expect(keys.length).toBeGreaterThan(50);
    expect(missing(keys, (key) => inSchema(schema, key.split(".")))).toEqual([]);
  });
});

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** Whether a path of keys is one that the configuration may have, in any of its variants. */
function inSchema(schema: unknown, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  const { properties, additionalProperties, anyOf, oneOf } = schema as JsonSchema;
  if ([...(anyOf ?? []), ...(oneOf ?? [])].some((variant) => inSchema(variant, path))) return true;
  const own = properties?.[key] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  return own !== undefined && inSchema(own, rest);
}
