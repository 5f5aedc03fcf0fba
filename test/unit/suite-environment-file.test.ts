import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  parseEnvironmentFile,
  quoteEnvironmentValue,
  renderEnvironmentFile,
} from "../../lab/suite/environment-file.ts";

describe("the .env file of docker compose", () => {
  // Each of these was tried with compose 2.26: what is written here is what the container got.
  it.each([
    ["plain", '"plain"'],
    ["with blank # no comment", '"with blank # no comment"'],
    ["it's", `"it's"`],
    ['say "x"', '"say \\"x\\""'],
    ["$HOME ${X}", '"\\$HOME \\${X}"'],
    ["back\\slash\\", '"back\\\\slash\\\\"'],
    ["a\\'b", `"a\\\\'b"`],
    ["`id`!%@密é", '"`id`!%@密é"'],
    ["", '""'],
  ])("writes %j as %s", (value, written) => {
    expect(quoteEnvironmentValue(value)).toBe(written);
  });

  it("refuses what no .env file can hold", () => {
    for (const bad of ["a\nb", "a\rb", "a\0b"]) expect(() => quoteEnvironmentValue(bad)).toThrow("cannot hold");
  });

  it("reads back what it wrote, whatever the values", () => {
    const value = fc.string({ unit: "binary" }).filter((text) => !/[\0\r\n]/.test(text));
    fc.assert(
      fc.property(value, value, (first, second) => {
        const values = { FIRST: first, SECOND_2: second };
        expect(parseEnvironmentFile(`# a comment\n${renderEnvironmentFile(values)}`)).toEqual(values);
      }),
    );
  });
});
