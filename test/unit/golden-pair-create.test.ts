import { beforeAll, expect, test, vi } from "vitest";
import { expectGolden } from "./golden.ts";
import { shellcheck } from "./shellcheck.ts";
import type { SentToServer } from "./stage1-program.ts";
import { stage2Program } from "./stage2-program.ts";

// The real ones bundle the controller and fetch Node.
vi.mock("../../components/failover/program-files.ts", () => import("../support/program-files.ts"));

let sent: ReadonlyMap<string, SentToServer>;
beforeAll(async () => {
  sent = await stage2Program("create");
}, 30_000);

const onServer = (alias: string): SentToServer => {
  const found = sent.get(alias);
  if (found === undefined) throw new Error(`nothing was sent to server ${alias}`);
  return found;
};

test.each(["a", "b", "witness"])("the files of server %s are the golden ones", (alias) => {
  expect([...sent.keys()].sort()).toEqual(["a", "b", "witness"]);
  // The dashboard has tests of its own.
  const files = [...onServer(alias).files].filter(([path]) => !path.includes("/grafana/dashboards/"));
  expectGolden(`stage2/${alias}/create`, new Map(files));
});

test.each(["a", "b", "witness"])(
  "every script that reaches server %s is sound bash",
  (alias) => {
    expect(onServer(alias).scripts.size).toBeGreaterThan(8);
    shellcheck(onServer(alias).scripts);
  },
  60_000,
);

test.each(["a", "b"])(
  "every program that is put on server %s is sound bash",
  (alias) => {
    const programs = [...onServer(alias).files].filter(([, content]) => content.startsWith("#!/bin/bash"));
    expect(programs.map(([path]) => path.split("/").at(-1))).toContain("im-leader-check");
    shellcheck(new Map(programs));
  },
  60_000,
);
