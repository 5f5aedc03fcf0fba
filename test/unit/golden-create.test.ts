import { beforeAll, expect, test } from "vitest";
import { expectGolden } from "./golden.ts";
import { shellcheck } from "./shellcheck.ts";
import { type SentToServer, stage1Program } from "./stage1-program.ts";

let sent: SentToServer;
beforeAll(async () => {
  sent = await stage1Program("create");
}, 30_000);

test("the files of server a are the golden ones", () => {
  expect(sent.files.size).toBeGreaterThan(10);
  // The dashboards have tests of their own; as golden files they would be thousands of lines that nobody reads.
  const dashboards = [...sent.files.keys()].filter((path) => path.startsWith("/etc/im-suite/grafana/dashboards/json/"));
  expect(dashboards).toHaveLength(6);
  expectGolden("stage1/a/create", new Map([...sent.files].filter(([path]) => !dashboards.includes(path))));
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
