import { beforeAll, expect, test } from "vitest";
import { expectGolden } from "./golden.ts";
import { shellcheck } from "./shellcheck.ts";
import { type SentToServer, stage1Program } from "./stage1-program.ts";

let sent: SentToServer;
beforeAll(async () => {
  sent = await stage1Program("adopt");
}, 30_000);

test("the files of server a are the golden ones", () => {
  expect(sent.files.size).toBeGreaterThan(9);
  expectGolden("stage1/a/adopt", sent.files);
});

test("every script that reaches server a is sound bash", () => {
  expect(sent.scripts.size).toBeGreaterThan(30);
  shellcheck(sent.scripts);
}, 60_000);

test("every program that is put on server a is sound bash", () => {
  const programs = [...sent.files].filter(([, content]) => content.startsWith("#!/bin/bash"));
  expect(programs.map(([path]) => path.split("/").at(-1)).sort()).toEqual([
    "container-metrics",
    "health-check",
    "im-backup",
    "im-binary-log-backup",
    "im-growth",
    "im-restore",
    "im-restore-test",
  ]);
  shellcheck(new Map(programs));
}, 60_000);
