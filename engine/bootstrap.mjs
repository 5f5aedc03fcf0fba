// Runs before every npm script, under whatever Node the machine has (20 or later): installs the node modules when package.json or
// the lock file has changed. Plain JavaScript without dependencies, because it is what brings the dependencies. Everything
// after it runs under the Node that the npm package `node` brings. It writes to stderr: stdout belongs to the script.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stampFile = join(root, "node_modules", ".im-suite-ha-stamp");
/** From this Node on, TypeScript's types are stripped without a flag. */
const oldestPackagedNode = [22, 18];

/** Ends with one sentence and what to type. */
function stop(sentence) {
  process.stderr.write(`\n${sentence}\n`);
  process.exit(1);
}

/** The packages and the platform: a node_modules copied from another machine must not count as installed. */
function wantedStamp() {
  const hash = createHash("sha256");
  for (const file of ["package.json", "package-lock.json"]) hash.update(readFileSync(join(root, file)));
  return `${hash.digest("hex")} ${process.platform} ${process.arch}`;
}

function cacheDirectory() {
  return process.env.IM_SUITE_HA_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "im-suite-ha");
}

/** Shows that work goes on: a line redrawn every second on a terminal, elsewhere a line every 30 s. */
function startProgress() {
  const started = Date.now();
  const isTerminal = process.stderr.isTTY === true && process.env.CI === undefined;
  const progress = {
    detail: "",
    seconds: () => Math.round((Date.now() - started) / 1000),
    stop: () => {
      clearInterval(timer);
      if (isTerminal) process.stderr.write("\r\u001b[2K");
    },
  };
  const draw = () => {
    const text = `… node modules ${progress.seconds()} s  ${progress.detail}`;
    process.stderr.write(
      isTerminal ? `\r\u001b[2K${text.slice(0, (process.stderr.columns || 80) - 1)}` : `  ${text.slice(0, 120)}\n`,
    );
  };
  const timer = setInterval(draw, isTerminal ? 1000 : 30_000);
  return progress;
}

/** Runs `npm ci`. Its whole output goes to the log; the newest package it fetched is shown. */
function install(log, progress) {
  return new Promise((done) => {
    const file = createWriteStream(log, { flags: "a", mode: 0o600 });
    let tail = "";
    const child = spawn("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=http"], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      // This script's Node is older than what some packages want; they run under the packaged one.
      env: { ...process.env, npm_config_engine_strict: "false" },
    });
    const take = (piece) => {
      const text = String(piece);
      file.write(text);
      tail = (tail + text).slice(-4000);
      const fetched = /npm http fetch GET \d+ \S*?\/([^/\s]+)(?:\s|$)/.exec(text)?.[1];
      if (fetched !== undefined) progress.detail = decodeURIComponent(fetched);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", (error) => done({ code: 127, tail: error.message, missing: error.code === "ENOENT" }));
    child.on("close", (code) => {
      file.end();
      done({ code, tail, missing: false });
    });
  });
}

/** The lines of npm's output that say why it failed. */
function reason(tail) {
  const lines = tail.split("\n").filter((line) => line.trim() !== "");
  const errors = lines.filter((line) => /npm (error|ERR!)/.test(line) && !/complete log|_logs/.test(line));
  return (errors.length > 0 ? errors.slice(0, 6) : lines.slice(-5)).join("\n");
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  stop(
    `Node ${process.versions.node} is too old: expected 20 or later. On Debian 13 or Ubuntu 24.10 type: apt-get install nodejs npm. Elsewhere take it from nodejs.org or a mirror.`,
  );
}

const wanted = wantedStamp();
if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== wanted) {
  const modules = join(root, "node_modules");
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    // npm empties the folder that it finds there: that of another checkout.
    stop(`${modules} is a link: npm would empty the folder behind it. Remove the link: rm ${modules}`);
  }
  const log = join(cacheDirectory(), "logs", "node-modules.log");
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  process.stderr.write(`… installing node modules (log: ${log})\n`);
  const progress = startProgress();
  const { code, tail, missing } = await install(log, progress);
  progress.stop();
  if (missing)
    stop("There is no npm on this machine. On Debian or Ubuntu type: apt-get install npm. Then run this again.");
  if (code !== 0) {
    stop(
      `npm could not install the node modules (exit code ${code}; the log is ${log}):\n${reason(tail)}\nWhere the registry is slow or closed, name a mirror and run this again: npm config set registry <address>`,
    );
  }
  writeFileSync(stampFile, wanted);
  process.stderr.write(`✔ node modules ${progress.seconds()} s\n`);
}

// Looked at each time: the script itself would only die of a syntax error in an old Node.
const packaged = join(root, "node_modules", ".bin", "node");
const answer = existsSync(packaged) ? spawnSync(packaged, ["--version"], { encoding: "utf8" }) : undefined;
const version = (answer?.stdout ?? "").trim().replace(/^v/, "").split(".").map(Number);
const enough = oldestPackagedNode.join(".");
if (
  !(version[0] > oldestPackagedNode[0] || (version[0] === oldestPackagedNode[0] && version[1] >= oldestPackagedNode[1]))
) {
  const state =
    answer === undefined
      ? "is missing (npm was told not to run install scripts?)"
      : `says "${answer.stdout?.trim() || answer.error?.message || answer.stderr?.trim()}"`;
  stop(
    `The Node of the npm package \`node\` ${state}: expected ${enough} or later. Type: npm rebuild --ignore-scripts=false node`,
  );
}
