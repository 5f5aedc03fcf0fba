import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandLine, PREAMBLE, quote, remoteCommand, script } from "../../lib/shell.ts";

/** Anything a shell word can hold: every character but NUL, and no lone surrogates (they have no UTF-8). */
const word = fc.string({ unit: "binary", maxLength: 60 }).map((text) => text.replaceAll("\0", "0"));
/** Mostly the characters that shells give a meaning to. */
const nasty = fc
  .array(fc.constantFrom(..."'\"$`\\!@#%&|;<>(){}[]*?~^= \t\n\r-".split(""), "é", "密", "😀", "a", "0"), {
    maxLength: 30,
  })
  .map((parts) => parts.join(""));

function bash(text: string, input = ""): { status: number | null; stdout: string; stderr: string } {
  return spawnSync("bash", ["-c", text], { encoding: "utf8", input });
}

describe("quote", () => {
  test("every value comes back from bash and from sh as the same bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(word, nasty), { minLength: 1, maxLength: 25 }), (values) => {
        const line = `printf '%s\\0' ${commandLine(values)}`;
        for (const shell of ["bash", "sh"]) {
          const result = spawnSync(shell, ["-c", line], { encoding: "buffer" });
          expect(result.status).toBe(0);
          expect(result.stdout.toString("utf8").split("\0").slice(0, -1)).toEqual(values);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("plain words stay readable", () => {
    expect(quote("/etc/im-suite/a_b.cnf")).toBe("/etc/im-suite/a_b.cnf");
    expect(quote("")).toBe("''");
    expect(quote("it's")).toBe(`'it'\\''s'`);
  });

  test("a NUL is refused: the shell would silently drop it", () => {
    expect(() => quote("a\0b")).toThrow("NUL");
  });

  test("a word that begins with ~ is not expanded", () => {
    expect(bash(`printf %s ${quote("~root")}`).stdout).toBe("~root");
  });
});

describe("script", () => {
  test("a failing command in the middle of a pipe ends the script", () => {
    expect(bash(script("false | cat", "echo reached")).stdout).toBe("");
    expect(bash(script("false | cat", "echo reached")).status).not.toBe(0);
  });

  test("an unset variable ends the script", () => {
    expect(bash(script('echo "$not_set_anywhere"')).status).not.toBe(0);
  });

  test("files that it makes are private", () => {
    expect(bash(script("umask")).stdout.trim()).toBe("0077");
  });

  test("the preamble is valid bash", () => {
    expect(spawnSync("bash", ["-n"], { input: PREAMBLE }).status).toBe(0);
  });
});

describe("remoteCommand", () => {
  test("runs the script under any login shell and leaves stdin to it", () => {
    for (const shell of ["bash", "sh"]) {
      const command = remoteCommand(script('read -r line; printf "%s-%s" "$line" \'a"b$c\''), 5);
      expect(spawnSync(shell, ["-c", command], { encoding: "utf8", input: "from stdin\n" }).stdout).toBe(
        'from stdin-a"b$c',
      );
    }
  });

  test("ends a script that hangs", () => {
    const started = performance.now();
    expect(bash(remoteCommand(script("sleep 30"), 1)).status).toBe(124);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
