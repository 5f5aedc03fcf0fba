import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createOnceDirectory } from "../../config/names.ts";
import { script } from "../../lib/shell.ts";
import { renderCreateOnceSecret, secretFileFunctions } from "../../templates/rotation/create-once-files.ts";
import { renderAcceptGrafanaPassword, renderEndGrafanaRotation } from "../../templates/rotation/grafana-password.ts";

let root: string;
let folder: string;
const file = (name: string) => readFileSync(join(folder, name), "utf8");
const write = (name: string, content: string) => writeFileSync(join(folder, name), content);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "im-rotation-"));
  folder = join(root, "secrets");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs a script as a server would, on a folder of this test. */
function here(text: string): string {
  return text.replaceAll(createOnceDirectory, folder);
}

function run(text: string, input = ""): { code: number | null; stdout: string; stderr: string } {
  const result = spawnSync("bash", ["-c", here(text)], { input, encoding: "utf8" });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

const secret = (generation: number) => renderCreateOnceSecret({ fileName: "x", length: 32, generation });
const end = (generation: number) => script(secretFileFunctions, `promote x ${generation}`, "before x");

describe("a create-once secret", () => {
  it("is the candidate at first, readable by its owner alone, and stays what it is", () => {
    expect(run(secret(1), "first")).toEqual({ code: 0, stdout: "first", stderr: "" });
    expect(run(secret(1), "another").stdout).toBe("first");
    expect(statSync(join(folder, "x")).mode & 0o777).toBe(0o400);
    expect(file("x.generation")).toBe("1\n");
  });

  it("of an older version, without a generation, is the first", () => {
    mkdirSync(folder);
    write("x", "old");
    expect(run(secret(1), "candidate").stdout).toBe("old");
    expect(run(secret(2), "candidate").stdout).toMatch(/^[A-Za-z0-9]{32}$/);
  });

  it("is drawn once for a higher generation; the old one stays until the end", () => {
    run(secret(1), "first");
    const drawn = run(secret(2), "first").stdout;
    expect(drawn).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(file("x")).toBe("first");
    // Again, and by a hand that raised the counter once more, or took it back: what was drawn may be in use.
    for (const generation of [2, 3, 1]) expect(run(secret(generation), "first").stdout).toBe(drawn);
    expect(run(end(2)).stdout).toBe("first");
    expect(file("x")).toBe(drawn);
    expect(readdirSync(folder).sort()).toEqual([".lock", "x", "x.generation", "x.previous"]);
  });

  it("is not drawn while the one before the last still has to be refused", () => {
    run(secret(1), "first");
    const second = run(secret(2)).stdout;
    run(end(2));
    expect(run(secret(3)).stdout).toBe(second);
    expect(existsSync(join(folder, "x.next"))).toBe(false);
  });

  it("keeps its generation when the configuration's is lower: a restored one must not draw", () => {
    run(secret(1), "first");
    run(secret(4));
    run(end(4));
    rmSync(join(folder, "x.previous"), { force: true });
    const now = file("x");
    expect(run(secret(1), "candidate").stdout).toBe(now);
    expect(run(secret(4), "candidate").stdout).toBe(now);
    expect(file("x.generation")).toBe("4\n");
  });

  it("ends after a kill between its two steps", () => {
    run(secret(1), "first");
    const drawn = run(secret(2)).stdout;
    // The generation is written, the file not yet moved.
    write("x.generation.new", "");
    run(script(secretFileFunctions, 'printf "2\\n" | keep x.generation'));
    expect(run(secret(2)).stdout).toBe(drawn);
    run(end(2));
    expect(file("x")).toBe(drawn);
    expect(run(end(2)).stdout).toBe("first");
  });

  it("is made by one script at a time", async () => {
    run(secret(1), "first");
    const children = Array.from({ length: 6 }, () => {
      const child = spawn("bash", ["-c", here(secret(2))]);
      child.stdin.end();
      return child;
    });
    const answers = await Promise.all(children.map(read));
    expect(new Set(answers).size).toBe(1);
  });
});

async function read(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (part) => {
    text += part;
  });
  await once(child, "close");
  return text;
}

/** As much of Grafana's API as a change of the password needs. */
async function grafanaWith(password: string): Promise<{ server: Server; address: string; password: () => string }> {
  let current = password;
  const server = createServer((request, response) => {
    const login = Buffer.from((request.headers.authorization ?? "").replace("Basic ", ""), "base64").toString("utf8");
    if (login !== `admin:${current}`) {
      response.writeHead(401).end("{}");
      return;
    }
    let body = "";
    request.on("data", (part) => {
      body += part;
    });
    request.on("end", () => {
      if (request.method === "PUT" && request.url === "/api/user/password") {
        const change = JSON.parse(body) as { oldPassword: string; newPassword: string };
        if (change.oldPassword !== current || request.headers["content-type"] !== "application/json") {
          response.writeHead(400).end("{}");
          return;
        }
        current = change.newPassword;
      }
      response.writeHead(200).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}`, password: () => current };
}

/** Asynchronous, because Grafana's stand-in runs in this process. */
async function runAsync(text: string, path = process.env["PATH"] ?? ""): Promise<{ code: number; output: string }> {
  // The preamble sets the PATH of a server; a stand-in for docker goes before it.
  const child = spawn("bash", ["-c", here(text).replace('export PATH="', `export PATH="${path}:`)]);
  child.stdin.end();
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part) => {
      output += part;
    });
  }
  const [code] = (await once(child, "close")) as [number];
  return { code, output };
}

describe("Grafana's password", () => {
  const options = (address: string) => ({ container: "im-grafana", address, fileName: "x" });

  it("is changed by its API, and the old one refused at the end", async () => {
    const grafana = await grafanaWith("first");
    try {
      run(secret(1), "first");
      const drawn = run(secret(2)).stdout;
      expect(await runAsync(renderAcceptGrafanaPassword(options(grafana.address)))).toEqual({ code: 0, output: "" });
      expect(grafana.password()).toBe(drawn);
      // Again after a kill: nothing to do.
      expect(await runAsync(renderAcceptGrafanaPassword(options(grafana.address)))).toEqual({ code: 0, output: "" });
      expect(await runAsync(renderEndGrafanaRotation(options(grafana.address), 2))).toEqual({ code: 0, output: "" });
      expect(readdirSync(folder).sort()).toEqual([".lock", "x", "x.generation"]);
    } finally {
      grafana.server.close();
    }
  });

  it("is left alone without a rotation: the admin may have changed it", async () => {
    const grafana = await grafanaWith("by hand");
    try {
      run(secret(1), "first");
      expect((await runAsync(renderAcceptGrafanaPassword(options(grafana.address)))).code).toBe(0);
      expect((await runAsync(renderEndGrafanaRotation(options(grafana.address), 1))).code).toBe(0);
      expect(grafana.password()).toBe("by hand");
    } finally {
      grafana.server.close();
    }
  });

  it("is set by Grafana's own tool when it was changed by hand", async () => {
    const grafana = await grafanaWith("by hand");
    try {
      run(secret(1), "first");
      const drawn = run(secret(2)).stdout;
      const bin = join(root, "bin");
      mkdirSync(bin);
      writeFileSync(join(bin, "docker"), `#!/bin/bash\nprintf '%s\\n' "$*" >${root}/arguments\ncat >${root}/stdin\n`, {
        mode: 0o755,
      });
      const result = await runAsync(renderAcceptGrafanaPassword(options(grafana.address)), bin);
      // The stand-in changes nothing, so the last look says so.
      expect(result).toEqual({ code: 1, output: "Grafana does not accept its new password\n" });
      expect(readFileSync(join(root, "arguments"), "utf8")).toBe(
        "exec -i im-grafana grafana cli admin reset-admin-password --password-from-stdin\n",
      );
      expect(readFileSync(join(root, "stdin"), "utf8")).toBe(`${drawn}\n`);
    } finally {
      grafana.server.close();
    }
  });

  it("that cannot be asked fails the step: no answer is not a refusal", async () => {
    run(secret(1), "first");
    run(secret(2));
    const result = await runAsync(renderAcceptGrafanaPassword(options("127.0.0.1:1")));
    expect(result.code).toBe(1);
    expect(result.output).toContain("did not say whether it accepts a password");
  });
});
