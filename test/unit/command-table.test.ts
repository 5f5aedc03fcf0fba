import { expect, test } from "vitest";
import { displayWidth, renderTable } from "../../commands/table.ts";

test.each([
  ["", 0],
  ["plain", 5],
  ["密码", 4],
  ["磁盘空间 /", 10],
  ["ｆｕｌｌ", 8],
  ["é", 1],
  ["e\u0301", 1],
  ["✅", 2],
  ["\u001b[31mred\u001b[0m", 3],
  ["𠮷", 2],
])("%j takes %i columns", (text, width) => expect(displayWidth(text)).toBe(width));

test("columns line up, whatever is in them", () => {
  const table = renderTable(
    ["what", "found"],
    [
      ["磁盘", "x"],
      ["\u001b[31mlonger\u001b[0m", "y"],
      ["z", ""],
    ],
  );
  expect(table).toBe("what    found\n磁盘    x\n\u001b[31mlonger\u001b[0m  y\nz\n");
  const starts = table
    .split("\n")
    .slice(0, 3)
    .map((line) => displayWidth(line.slice(0, line.search(/(found|x|y)$/))));
  expect(new Set(starts).size).toBe(1);
});
