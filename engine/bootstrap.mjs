// Runs before every npm script, under whatever Node the machine has (20 or later): installs the node modules when the lock file
// changed. Plain JavaScript without dependencies, because it is what brings the dependencies. Everything after it
// runs under the Node that the npm package `node` brings.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), "..");
const stampFile = join(root, "node_modules", ".im-suite-ha-stamp");
const oldestNode = [22, 18];

/** Ends with one sentence and what to type. */
function stop(sentence) {
  process.stderr.write(`\n${sentence}\n`);
  process.exit(1);
}

/** The packages and the platform: a copied node_modules of another machine must not count as installed. */
function wantedStamp() {
  const hash = createHash("sha256");
  for (const file of ["package.json", "package-lock.json"]) hash.update(readFileSync(join(root, file)));
  return `${hash.digest("hex")} ${process.platform} ${process.arch}`;
}

function cacheDirectory() {
  return process.env.IM_SUITE_HA_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "im-suite-ha");
}

/** Runs npm with a line that shows it is alive; its output goes to the log. */
function install(log) {
  return new Promise((done) => {
    const output = openSync(log, "a", 0o600);
    const started = Date.now();
    const seconds = () => Math.round((Date.now() - started) / 1000);
    const isTerminal = process.stdout.isTTY === true;
    const timer = setInterval(
      () => process.stdout.write(isTerminal ? `\r… node modules ${seconds()} s` : `  … node modules: ${seconds()} s\n`),
      isTerminal ? 1000 : 30_000,
    );
    const child = spawn("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: root,
      stdio: ["ignore", output, output],
      // npm warns that this very script's Node is older than some packages want; they run under the packaged one.
      env: { ...process.env, npm_config_engine_strict: "false" },
    });
    child.on("error", () => done({ code: 127, seconds: seconds() }));
    child.on("close", (code) => {
      clearInterval(timer);
      if (isTerminal) process.stdout.write("\r\u001b[2K");
      done({ code, seconds: seconds() });
    });
  });
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  stop(
    `Node ${process.versions.node} is too old: expected 20 or later. Install it from your distribution or from nodejs.org.`,
  );
}
const wanted = wantedStamp();
if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== wanted) {
  const log = join(cacheDirectory(), "logs", "node-modules.log");
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  process.stdout.write(`… installing node modules (log: ${log})\n`);
  const { code, seconds } = await install(log);
  if (code !== 0) {
    const tail =
      existsSync(log) && statSync(log).size > 0
        ? readFileSync(log, "utf8").trim().split("\n").slice(-5).join("\n")
        : "";
    stop(
      `npm could not install the node modules (exit code ${code}); the log is ${log}\n${tail}\nWhere the registry is slow or closed, name a mirror: npm config set registry <address>`,
    );
  }
  process.stdout.write(`✔ node modules ${seconds} s\n`);
  writeFileSync(stampFile, wanted);
}

// The pre-script's check, so that the script itself does not die of a syntax error in an old Node.
const packaged = join(root, "node_modules", ".bin", "node");
const answer = spawnSync(existsSync(packaged) ? packaged : "node", ["--version"], { encoding: "utf8" });
const version = (answer.stdout ?? "").trim().replace(/^v/, "").split(".").map(Number);
if (!(version[0] > oldestNode[0] || (version[0] === oldestNode[0] && version[1] >= oldestNode[1]))) {
  stop(
    `The packaged Node is ${answer.stdout?.trim() || "missing"}: expected ${oldestNode.join(".")} or later. Type: npm install-scripts approve node && rm ${stampFile} && npm run check`,
  );
}
