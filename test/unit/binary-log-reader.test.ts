import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { renderBinaryLogReader } from "../../templates/backup/binary-log-reader.ts";

const folder = mkdtempSync(join(tmpdir(), "im-suite-ha-binary-log-"));
const program = join(folder, "reader");
writeFileSync(program, renderBinaryLogReader());
afterAll(() => rmSync(folder, { recursive: true }));

function read(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync("perl", [program, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

function file(name: string, content: Buffer): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** Written by MySQL 9.7: four plain transactions, and two with the tag `nightly` between the third and the last. */
const tagged = Buffer.from(readFileSync(new URL("binary-log-with-tags.base64", import.meta.url), "utf8"), "base64");
const source = "ad5fc79f-e74d-11f1-adb0-1e75f054d42a";

/** A binary log of hand-made events: the GTIDs before it, then one transaction for each number (0: anonymous). */
function binaryLog(before: readonly [number, number][], transactions: readonly number[]): Buffer {
  const uuid = Buffer.from("00112233445566778899aabbccddeeff", "hex");
  const parts: Buffer[] = [Buffer.from("fe62696e", "hex")];
  const event = (type: number, body: Buffer) => {
    const header = Buffer.alloc(19);
    header.writeUInt32LE(1_700_000_000, 0);
    header.writeUInt8(type, 4);
    header.writeUInt32LE(19 + body.length, 9);
    parts.push(header, body);
  };
  const numbers = (...values: readonly number[]) => {
    const buffer = Buffer.alloc(8 * values.length);
    for (const [index, value] of values.entries()) buffer.writeBigUInt64LE(BigInt(value), 8 * index);
    return buffer;
  };
  event(15, Buffer.alloc(80));
  event(
    35,
    Buffer.concat([numbers(1), uuid, numbers(before.length), ...before.map(([from, to]) => numbers(from, to + 1))]),
  );
  for (const [index, number] of transactions.entries()) {
    const moment = numbers(1_700_000_000_000_000 + index * 1000).subarray(0, 7);
    const type = number === 0 ? 34 : 33;
    event(type, Buffer.concat([Buffer.alloc(1), uuid, numbers(number), Buffer.alloc(17), moment, Buffer.alloc(8)]));
    event(2, Buffer.alloc(30));
  }
  event(4, Buffer.alloc(20));
  return Buffer.concat(parts);
}
const ours = "00112233-4455-6677-8899-aabbccddeeff";

describe("where the applier has to stop", () => {
  const path = file("tagged.000001", tagged);

  test.each([
    ["a plain GTID", `${source}:3`, 528, `${source}:3`, 2],
    ["a GTID with a tag", `${source}:nightly:2`, 1066, `${source}:nightly:2`, 4],
    ["the first one of a set", `${source}:4:nightly:1-2`, 794, `${source}:nightly:1`, 3],
    ["upper case", `${source.toUpperCase()}:2`, 334, `${source}:2`, 1],
  ])("%s", (_, gtids, position, found, count) => {
    const { status, stdout } = read("find", "4", "before-gtid", gtids, path);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      new RegExp(
        `^stop tagged.000001 ${position} [0-9]{16} ${found}\nend tagged.000001 ${position} [0-9]{16} ${count}\n$`,
      ),
    );
  });

  test("a moment: the first transaction committed then or later, to the microsecond", () => {
    const log = file("log.000007", binaryLog([[1, 9]], [10, 0, 11]));
    const find = (moment: string, start = "4") => read("find", start, "before-moment", moment, log).stdout;
    expect(find("1700000000001000")).toMatch(
      /^stop log.000007 \d+ 1700000000001000 anonymous\nend log.000007 \d+ 1700000000000000 1\n$/,
    );
    expect(find("1700000000001001")).toContain(
      `stop log.000007 ${find("1700000000001001").split(" ")[2]} 1700000000002000 ${ours}:11\n`,
    );
    expect(find("1700000000002001")).toMatch(/^stop none\nend log.000007 \d+ 1700000000002000 3\n$/);
    // What lies before the dump's own place is in the dump.
    const second = find("1700000000001000").split(" ")[2] as string;
    expect(find("1700000000002001", second)).toMatch(/ 1700000000002000 2\n$/);
  });

  test("over several files", () => {
    const first = file("log.000001", binaryLog([[1, 9]], [10]));
    const second = file("log.000002", binaryLog([[1, 10]], [11]));
    const { stdout } = read("find", "4", "before-gtid", `${ours}:11`, first, second);
    expect(stdout).toMatch(/^stop log.000002 \d+ \d+ \S+:11\nend log.000001 \d+ \d+ 1\n$/);
  });

  test.each(["yesterday", `${source}`, `${source}:x-1`, `${source}:1-`])("refuses the GTID %s", (gtid) => {
    expect(read("find", "4", "before-gtid", gtid, path)).toMatchObject({ status: 1, stdout: "" });
  });
});

describe("is a file whole, and does it go on where the one before it ended", () => {
  test("a file that MySQL wrote", () => {
    expect(read("check", file("tagged.000001", tagged)).stdout).toBe(
      "tagged.000001 6 1795445634206061 1795445634245616 1795445633\n",
    );
  });

  test("a transaction between two files is missing", () => {
    const files = [file("log.000001", binaryLog([[1, 9]], [10, 11])), file("log.000002", binaryLog([[1, 11]], [12]))];
    expect(read("check", ...files)).toMatchObject({ status: 0, stderr: "" });
    const gap = file("log.000003", binaryLog([[1, 13]], [14]));
    const { status, stderr } = read("check", ...files, gap);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `log.000003 does not go on where the file before it ended: expected the GTIDs ${ours}:1-12, it says ${ours}:1-13\n`,
    );
  });

  test.each<[string, Buffer, string]>([
    ["cut off", tagged.subarray(0, 700), "cut off ends in the middle of the event at byte 679"],
    [
      "encrypted",
      Buffer.concat([Buffer.from("fd62696e", "hex"), tagged.subarray(4)]),
      "encrypted binary logs are not supported",
    ],
    ["no binary log", Buffer.from("SELECT 1"), "no binary log is no binary log"],
    ["damaged", Buffer.concat([tagged.subarray(0, 235), Buffer.alloc(200)]), "damaged is damaged at byte 235"],
  ])("%s", (name, content, said) => {
    const { status, stderr } = read("check", file(name, content));
    expect(status).toBe(1);
    expect(stderr).toContain(said);
  });
});

test("idle until the first transaction, also when only the head of the file is looked at", () => {
  const idle = binaryLog([[1, 9]], []);
  expect(read("idle", file("idle", idle)).stdout).toBe("idle\n");
  expect(read("idle", file("written", binaryLog([[1, 9]], [10]))).stdout).toBe("written\n");
  expect(read("idle", file("head", tagged.subarray(0, 200))).stdout).toBe("written\n");
});
