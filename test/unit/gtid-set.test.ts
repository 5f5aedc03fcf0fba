import { describe, expect, it } from "vitest";
import { GtidSet } from "../../agent/gtid-set.ts";

const one = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const other = "4f22fb58-82db-22f2-8f44-d91bb0530673";

describe("a GTID set", () => {
  it.each([
    [`${one}:1-5`, `${one}:2-3`, true],
    [`${one}:1-5`, `${one}:5-6`, false],
    [`${one}:1-5:7`, `${one}:7`, true],
    [`${one}:1-5:7`, `${one}:6`, false],
    [`${one}:1-5`, `${other}:1`, false],
    [`${one}:1-5,${other}:1-2`, `${other}:2`, true],
    [`${one}:1-5`, "", true],
    ["", `${one}:1`, false],
    [`${one}:1-2:tagged:1-3`, `${one}:tagged:3`, true],
    [`${one}:1-9`, `${one}:tagged:3`, false],
  ])("%s contains %s: %s", (whole, part, expected) => {
    expect(GtidSet.parse(whole).contains(GtidSet.parse(part))).toBe(expected);
  });

  it("reads what MySQL prints over several lines, in any case, and joins what touches", () => {
    const set = GtidSet.parse(`${one.toUpperCase()}:1-3:4-6:9,\n${other}:1`);
    expect(set.toString()).toBe(`${one}:1-6:9,${other}:1`);
  });

  it("joins two", () => {
    expect(
      GtidSet.parse(`${one}:1-3`)
        .union(GtidSet.parse(`${one}:3-8,${other}:2`))
        .toString(),
    ).toBe(`${one}:1-8,${other}:2`);
  });

  it.each([
    [`${one}:1-9`, `${one}:1-9`, ""],
    [`${one}:1-9`, `${one}:3-4:7`, `${one}:1-2:5-6:8-9`],
    [`${one}:5-9`, `${one}:1-5`, `${one}:6-9`],
    [`${one}:5-9`, `${one}:12`, `${one}:5-9`],
    [`${one}:1-2,${other}:1`, `${one}:1-3`, `${other}:1`],
  ])("%s without %s: %s", (whole, part, left) => {
    expect(GtidSet.parse(whole).minus(GtidSet.parse(part)).toString()).toBe(left);
  });

  it("knows that it is empty", () => {
    expect(GtidSet.parse("").isEmpty).toBe(true);
    expect(GtidSet.empty.contains(GtidSet.empty)).toBe(true);
  });

  it.each(["1-5", `${one}`, `${one}:`, `${one}:5-`, `${one}:a b`, "zzz:1"])("refuses %j", (text) => {
    expect(() => GtidSet.parse(text)).toThrow("not a GTID set");
  });
});
