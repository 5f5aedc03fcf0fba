import { describe, expect, test } from "vitest";
import {
  formatMeasured,
  growthTriggers,
  parseMeasuredGrowth,
  reachedTriggers,
  stageTotals,
} from "../../config/growth.ts";
import { parseConfiguration } from "../../config/load.ts";
import { renderGrowthAccount, renderGrowthProgram } from "../../templates/growth.ts";
import { createdConfiguration } from "./fixtures.ts";
import { shellcheck } from "./shellcheck.ts";

describe("the triggers of stage 2", () => {
  test("are the roadmap's", () => {
    expect(Object.fromEntries(Object.entries(growthTriggers).map(([name, { above }]) => [name, above]))).toEqual({
      registered_users: 100,
      daily_active_users: 50,
      messages_per_day: 10_000,
      cpu_percent: 70,
      outages: 0,
    });
  });

  test("are reached above their threshold, not at it, and not without a value", () => {
    expect(reachedTriggers({ registered_users: 100, daily_active_users: 50, messages_per_day: 10_000 })).toEqual([]);
    expect(reachedTriggers({ registered_users: 101, cpu_percent: 70.01, outages: 1 })).toEqual([
      "registered_users",
      "cpu_percent",
      "outages",
    ]);
    expect(reachedTriggers({})).toEqual([]);
  });

  test("are read from Prometheus' answer, whatever else is in it", () => {
    const result = [
      { metric: { trigger: "registered_users" }, value: [1, "101"] },
      { metric: { trigger: "cpu_percent" }, value: [1, "NaN"] },
      { metric: { trigger: "unheard_of" }, value: [1, "5"] },
      { metric: {}, value: [1, "6"] },
    ];
    expect(parseMeasuredGrowth(JSON.stringify({ data: { result } }))).toEqual({ registered_users: 101 });
    for (const bad of ["", "<html>", "{}", '{"data":{"result":5}}', "null"])
      expect(parseMeasuredGrowth(bad)).toEqual({});
  });

  test("are shown with a unit and without noise", () => {
    expect(formatMeasured("cpu_percent", 71.0499)).toBe("71%");
    expect(formatMeasured("messages_per_day", 10_001)).toBe("10001");
  });

  test("come with the roadmap's costs, or the operator's", () => {
    expect(stageTotals({})).toEqual({ 1: 800, 2: 1350, 3: 3000 });
    expect(stageTotals({ "main server": 100 })).toEqual({ 1: 100, 2: 650, 3: 1900 });
  });
});

describe("im:growth", () => {
  const refusal = (growth: Record<string, unknown>) => {
    try {
      parseConfiguration({ ...createdConfiguration(), adoptedCredentials: undefined, growth } as never);
      return "accepted";
    } catch (error) {
      return (error as Error).message;
    }
  };

  test.each([
    [{ queries: { registeredUsers: "SELECT COUNT(*) FROM members" }, tables: ["members"], database: "im" }, "accepted"],
    [{ queries: { dailyActiveUsers: "" } }, "accepted"],
    [{ queries: { registeredUsers: "DELETE FROM users" } }, "expected one SELECT"],
    [{ queries: { registeredUsers: "SELECT 1; DROP TABLE users" } }, "expected one SELECT"],
    [{ queries: { users: "SELECT 1" } }, "im:growth.queries.users: unknown key"],
    [{ tables: ["users`"] }, "expected a name of letters"],
    [{ database: "im suite" }, "expected a name of letters"],
  ])("%j: %s", (growth, expected) => expect(refusal(growth)).toContain(expected));
});

describe("the program that counts", () => {
  const awkward = `SELECT COUNT(*) FROM users WHERE name <> '$(id) \`id\` "x"' AND name LIKE '用户%'`;
  const program = (registeredUsers: string) =>
    renderGrowthProgram({
      container: "im-mysql",
      optionFile: "/o.cnf",
      database: "im-$1",
      queries: { registeredUsers, dailyActiveUsers: "", messagesPerDay: "SELECT 2" },
    });

  test("hands a query to MySQL as it was written, and leaves out an empty one", () => {
    const text = program(awkward);
    expect(text).toContain(`'SELECT COUNT(*) FROM users WHERE name <> '\\''$(id) \`id\` "x"`);
    expect(text).not.toContain("im_growth_daily_active_users");
    shellcheck(new Map([["im-growth", text]]));
  }, 30_000);

  test("the account gets each table alone, and CREATE back at once", () => {
    const text = renderGrowthAccount("im-mysql", "/root.cnf", "im", ["users"]);
    const grant = text.indexOf("GRANT SELECT, CREATE ON \\`im\\`.\\`users\\`");
    expect(grant).toBeGreaterThan(0);
    expect(text.indexOf("REVOKE CREATE ON \\`im\\`.\\`users\\`")).toBeGreaterThan(grant);
    expect(text).not.toMatch(/ON \\`im\\`\.\*/);
    shellcheck(new Map([["account", text]]));
  }, 30_000);
});
