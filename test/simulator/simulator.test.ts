import { describe, expect, it } from "vitest";
import { knownBad } from "../../agent/simulator/known-bad.ts";
import { simulateMany } from "../../agent/simulator/many.ts";
import { simulate } from "../../agent/simulator/simulate.ts";

it("20,000 schedules of faults: no acknowledged write is lost, and every pair is whole again", async () => {
  const result = await simulateMany({ firstSeed: 1, schedules: 20_000 });
  expect(result.broken).toEqual([]);
  expect(result.count).toBe(20_000);
  // Schedules in which nothing happens would prove nothing.
  expect(result.acknowledged / result.count).toBeGreaterThan(300);
  expect(result.promotions / result.count).toBeGreaterThan(1);
});

describe("a controller that breaks a rule is caught, by the very accident that the rule prevents", () => {
  it("every rule has one", () => {
    const rules = new Set(knownBad.map((variant) => variant.rule));
    expect(Array.from({ length: 17 }, (_, index) => index + 1).filter((rule) => !rules.has(rule))).toEqual([]);
  });

  it.each(knownBad.map((variant) => [variant.rule, variant.name, variant.accident] as const))(
    "rule %s: %s",
    async (_rule, name, accident) => {
      const result = await simulateMany({ firstSeed: 1, schedules: 6000, variantName: name, until: accident });
      expect(result.broken.filter(({ what }) => accident.test(what)).length).toBeGreaterThan(0);
    },
  );
});

it("the same seed is the same schedule, and its story ends as it did without being told", () => {
  const told = simulate(42, { record: true });
  expect(simulate(42)).toEqual({ ...told, story: [] });
  expect(told.story.join("\n")).toContain("everything heals");
});
