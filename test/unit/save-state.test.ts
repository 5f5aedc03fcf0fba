import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { stateChange } from "../../commands/save-state/state-change.ts";
import { renderSaveState, savedStateFiles } from "../../commands/save-state/state-on-server.ts";
import { shellcheck } from "./shellcheck.ts";

describe("what changes a state", () => {
  test.each([
    [["up", "-s", "stage1", "--yes"], { command: "up", stack: "stage1" }],
    [["update", "--stack=stage2"], { command: "up", stack: "stage2" }],
    [["-s", "stage1", "destroy"], { command: "destroy", stack: "stage1" }],
    [["refresh"], { command: "refresh", stack: undefined }],
  ])("%j", (args, expected) => {
    expect(stateChange(args)).toEqual(expected);
  });

  test.each([
    [["preview", "-s", "stage1"]],
    [["up", "--help"]],
    [["config", "set", "im:note", "up"]],
    [["stack", "export", "-s", "up"]],
    [["refresh", "--preview-only"]],
  ])("not %j", (args) => {
    expect(stateChange(args)).toBeUndefined();
  });
});

describe("the script that keeps it on the server", () => {
  const files = savedStateFiles("organization/im-suite-ha/stage1");

  test("names files by the stack alone", () => {
    expect(files.state).toBe("/var/lib/im-suite/backup/pulumi-state/stage1.json");
    expect(files.configuration).toBe("/var/lib/im-suite/backup/pulumi-state/Pulumi.stage1.yaml");
  });

  test("is sound bash and gives back every byte", () => {
    const content = `密 '"$\`\\ END\n${"x".repeat(5000)}\n`;
    const text = renderSaveState({ [files.state]: content });
    shellcheck(new Map([["save-state", text]]));
    const elsewhere = "/tmp/im-suite-ha-save-state-test";
    const local = text.replaceAll("/var/lib/im-suite/backup/pulumi-state", elsewhere);
    const run = (script: string) => spawnSync("bash", ["-s"], { input: script, encoding: "utf8" });
    try {
      expect(run(local).status).toBe(0);
      expect(run(`cat ${elsewhere}/stage1.json`).stdout).toBe(content);
      expect(run(`stat -c %a ${elsewhere}/stage1.json`).stdout).toBe("600\n");
    } finally {
      run(`rm -rf ${elsewhere}`);
    }
  });

  test("writes nothing new after a destroy", () => {
    const text = renderSaveState({ [files.state]: "{}" }, files.state);
    expect(text.indexOf("nothing to replace")).toBeLessThan(text.indexOf("mkdir"));
  });
});
