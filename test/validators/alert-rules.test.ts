import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { repositoryRoot } from "../../lib/paths.ts";
import { type PairRuleOptions, pairRuleGroups } from "../../templates/alert-rules/pair.ts";
import type { AlertRuleOptions } from "../../templates/alert-rules/rule.ts";
import { alertRuleGroups, renderRuleGroups } from "../../templates/alert-rules.ts";
import { inImage, text } from "../support/in-image.ts";

const everything: AlertRuleOptions = {
  server: "a",
  redis: true,
  minio: true,
  backend: true,
  admin: true,
  backendMetrics: true,
  tls: true,
  healthCheckIntervalMinutes: 5,
  backup: { binaryLogMinutes: 5 },
  growth: { queries: true, monthlyTotals: { 1: 800, 2: 1350, 3: 3000 } },
};
const pair: PairRuleOptions = { witness: true, virtualIp: true, redis: true, minio: true, backend: true };
const rules = renderRuleGroups([...alertRuleGroups(everything), ...pairRuleGroups(pair)], "test");

/** The groups whose alerts a test names. Days of all the others would take minutes. */
function rulesFor(test: string): string {
  const { groups } = parse(rules) as { groups: { rules: { alert?: string }[] }[] };
  const isNamed = (alert: string | undefined) => alert !== undefined && test.includes(`"${alert}"`);
  return stringify({ groups: groups.filter((group) => group.rules.some(({ alert }) => isNamed(alert))) });
}

const folder = join(repositoryRoot, "test", "validators", "alert-tests");
const testFiles = readdirSync(folder).sort();

describe("promtool", () => {
  it("accepts the rules, and refuses them when an expression is broken", async () => {
    const check = ["check", "rules", "/check/im-suite.yml"];
    const good = await inImage("prometheus", "promtool", check, { "im-suite.yml": rules });
    expect(good.exitCode, text(good)).toBe(0);
    const bad = await inImage("prometheus", "promtool", check, {
      "im-suite.yml": rules.replace("predict_linear(", "predict_linearly("),
    });
    expect(bad.exitCode).not.toBe(0);
  });

  it.each(testFiles)("sees each alert fire at its time and not before: %s", async (file) => {
    const test = readFileSync(join(folder, file), "utf8");
    const files = { [file]: test, "im-suite.yml": rulesFor(test) };
    const result = await inImage("prometheus", "promtool", ["test", "rules", `/check/${file}`], files);
    expect(result.exitCode, text(result)).toBe(0);
  });

  it("tells when a threshold or a duration is another one", async () => {
    const file = "system-alerts.yml";
    const tests = readFileSync(join(folder, file), "utf8");
    for (const [right, wrong] of [
      ["* 100 > 85", "* 100 > 84"],
      ["mysql_up == 0 or up", "up"],
      ["for: 1m", "for: 50s"],
    ] as const) {
      expect(rules).toContain(right);
      const files = { [file]: tests, "im-suite.yml": rules.replaceAll(right, wrong) };
      const result = await inImage("prometheus", "promtool", ["test", "rules", `/check/${file}`], files);
      expect(result.exitCode, `${right} -> ${wrong}`).not.toBe(0);
    }
  });
});
