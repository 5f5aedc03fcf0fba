import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { chooseStack, pulumiError, readFlatConfiguration, readOutputs } from "../../commands/pulumi-cli.ts";

let root = "";
const own = () => join(root, "checkout", "Pulumi.stage1.yaml");
const lab = () => join(root, "cache", "lab", "config", "Pulumi.stage1.yaml");

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "im-stack-"));
  vi.stubEnv("IM_SUITE_HA_CACHE", join(root, "cache"));
  vi.stubEnv("INIT_CWD", root);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

const choose = (flags: { stack?: string; lab?: boolean; configurationFile?: string } = {}) =>
  chooseStack({ stack: "stage1", lab: false, configurationFile: undefined, ...flags }, join(root, "checkout"));
const filled = "config:\n  im:stage: 1\n";

describe("whose stack is meant", () => {
  test("the shipped example says nothing: the lab's", () => {
    write(own(), "# config:\n#   im:stage: 1\n");
    write(lab(), filled);
    expect(choose()).toEqual({ stack: "stage1", kind: "lab", configurationFile: lab() });
  });

  test("a file that was filled in: the operator's, also beside a lab", () => {
    write(own(), filled);
    write(lab(), filled);
    expect(choose()).toEqual({ stack: "stage1", kind: "own", configurationFile: own() });
    expect(choose({ lab: true }).kind).toBe("lab");
  });

  test("a file that is named, from where the person is", () => {
    write(lab(), filled);
    write(join(root, "mine.yaml"), filled);
    expect(choose({ configurationFile: "mine.yaml" })).toMatchObject({
      kind: "own",
      configurationFile: join(root, "mine.yaml"),
    });
    expect(() => choose({ configurationFile: "other.yaml" })).toThrow("there is no such file");
    expect(() => choose({ configurationFile: "mine.yaml", lab: true })).toThrow("exclude each other");
  });

  test("a stack with its organisation before it has the file of its short name", () => {
    write(own(), filled);
    expect(choose({ stack: "acme/im-suite-ha/stage1" }).configurationFile).toBe(own());
  });

  test("neither: what to type", () => {
    expect(() => choose()).toThrow(/npm run configure -- -s stage1.*npm start/);
    expect(() => choose({ lab: true })).toThrow("npm start");
  });
});

describe("what Pulumi says", () => {
  const target = { stack: "stage1", kind: "own", configurationFile: "/x" } as const;
  const says =
    (exitCode: number, stdout: string, stderr = "") =>
    async () => ({ exitCode, stdout, stderr, seconds: 0 });

  test.each([
    ["error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions", "pulumi login"],
    [
      "error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE",
      "is not set. Type: export PULUMI_CONFIG_PASSPHRASE",
    ],
    ["error: incorrect passphrase", "is another one"],
    ["error: no stack named 'stage1' found", "npm run configure -- -s stage1"],
    ["error: something new", "something new"],
  ])("%s", (stderr, expected) => {
    expect(pulumiError({ exitCode: 1, stdout: "", stderr, seconds: 0 }, "stage1").message).toContain(expected);
  });

  test("the configuration as the program gets it", async () => {
    const json = '{"im:stage": {"value": "1"}, "im:suite": {"value": "{\\"mode\\":\\"create\\"}", "objectValue": {}}}';
    expect(await readFlatConfiguration(says(0, json), target)).toEqual({
      "im:stage": "1",
      "im:suite": '{"mode":"create"}',
    });
  });

  test("no stack and no outputs are no error: there was no up yet", async () => {
    expect(await readOutputs(says(6, "", "error: no stack named 'stage1' found"), target)).toBeUndefined();
    expect(await readOutputs(says(0, "{}"), target)).toBeUndefined();
    expect(await readOutputs(says(0, '{"version": "1"}'), target)).toEqual({ version: "1" });
    await expect(readOutputs(says(1, "", "error: incorrect passphrase"), target)).rejects.toThrow("passphrase");
  });
});
