import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundleController, fetchNode, type ProgramFile } from "../../components/failover/program-files.ts";
import { failoverPaths, failoverUnit } from "../../config/failover.ts";
import { nodeRuntime } from "../../config/node-runtime.ts";
import { run, runChecked } from "../../lib/process.ts";
import {
  controllerFiles,
  renderCommand,
  renderControllerUnit,
  renderInstallController,
} from "../../templates/failover/controller-program.ts";
import { ThrowAwayContainers } from "../support/throw-away.ts";

// The bundle and Node's package as they come to a server that has no Node.

const containers = new ThrowAwayContainers();
const server = "im-test-failover-program";
let program: ProgramFile;
let node: ProgramFile;

const inServer = (text: string) =>
  run("docker", ["exec", "--interactive", server, "bash", "-s"], { input: text, timeoutSeconds: 60 });

beforeAll(async () => {
  program = await bundleController();
  node = await fetchNode(process.arch === "arm64" ? "arm64" : "x64");
  await containers.start("redis", server, ["--network", "none", "--entrypoint", "sleep"], ["600"]);
  const files = controllerFiles(program.sha256);
  await inServer(`mkdir -p ${failoverPaths.program.slice(0, failoverPaths.program.lastIndexOf("/"))} /usr/local/bin`);
  await runChecked("docker", ["cp", node.path, `${server}:${files.archive}`]);
  await runChecked("docker", ["cp", program.path, `${server}:${files.program}`]);
}, 300_000);

afterAll(() => containers.removeAll());

it("installs, runs, and does nothing the second time", async () => {
  const script = renderInstallController({ archive: node.sha256, program: program.sha256 });
  expect(await inServer(script)).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await inServer(script)).toMatchObject({ exitCode: 0, stderr: "" });
  const { node: installed } = controllerFiles(program.sha256);
  expect((await inServer(`${installed} --version`)).stdout.trim()).toBe(`v${nodeRuntime.version}`);
  await inServer(
    `cat >${failoverPaths.command} <<'END'\n${renderCommand(program.sha256)}END\nchmod 755 ${failoverPaths.command}`,
  );
  const help = await inServer(`${failoverPaths.command} switchover --help`);
  expect(help.stdout).toContain("Moves the lead to the other server");
  const missing = await inServer(`${failoverPaths.command} status`);
  expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(failoverPaths.configuration) });
  expect(missing.stderr).not.toContain("    at ");
});

it("refuses half a file", async () => {
  const { program: file } = controllerFiles(program.sha256);
  const whole = readFileSync(program.path, "utf8");
  await inServer(`truncate --size 1000 ${file}`);
  const result = await inServer(renderInstallController({ archive: node.sha256, program: program.sha256 }));
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toContain("computed checksum did NOT match");
  expect(whole.length).toBeGreaterThan(1000);
});

it("makes the same file again", async () => {
  expect(await bundleController()).toEqual(program);
});

it("has a unit that systemd understands", async () => {
  const unit = renderControllerUnit(program.sha256);
  expect(unit).toContain("Restart=always");
  expect(unit).not.toMatch(/^(Requires|BindsTo|PartOf)=/m);
  const image = await run("sh", ["-c", "command -v systemd-analyze"]);
  if (image.exitCode !== 0) return;
  const folder = `/tmp/${server}`;
  await runChecked("sh", ["-c", `mkdir -p ${folder} && cat >${folder}/${failoverUnit}`], {
    input: unit.replace(/^ExecStart=.*$/m, "ExecStart=/bin/true"),
  });
  const verified = await run("systemd-analyze", ["verify", "--man=no", `${folder}/${failoverUnit}`]);
  expect(verified.stderr).not.toContain(failoverUnit);
});
