import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { OperatorError } from "../../lib/errors.ts";
import { repositoryRoot } from "../../lib/paths.ts";
import { type PulumiRunner, pulumiError, type StackTarget } from "../pulumi-cli.ts";

/**
 * A project folder of its own for one run of `configure`: `pulumi stack init` and `pulumi config set` write into a stack's file step
 * by step, and the operator's file must change all at once or not at all.
 */
export class ScratchProject {
  readonly #folder: string;
  readonly #target: StackTarget;
  readonly #pulumi: PulumiRunner;
  readonly #file: string;

  constructor(target: StackTarget, pulumi: PulumiRunner) {
    this.#target = target;
    this.#pulumi = pulumi;
    this.#folder = mkdtempSync(join(tmpdir(), "im-suite-ha-configure-"));
    process.once("exit", () => rmSync(this.#folder, { recursive: true, force: true }));
    copyFileSync(join(repositoryRoot, "Pulumi.yaml"), join(this.#folder, "Pulumi.yaml"));
    this.#file = join(this.#folder, `Pulumi.${target.stack.split("/").at(-1)}.yaml`);
    if (existsSync(target.configurationFile)) copyFileSync(target.configurationFile, this.#file);
  }

  /** Where the configuration is built. */
  get target(): StackTarget {
    return { ...this.#target, configurationFile: this.#file };
  }

  read(): string {
    return existsSync(this.#file) ? readFileSync(this.#file, "utf8") : "";
  }

  write(text: string): void {
    writeFileSync(this.#file, text, { mode: 0o600 });
  }

  async stackExists(): Promise<boolean> {
    const result = await this.#run(["stack", "output", "--json", "--stack", this.#target.stack]);
    if (result.exitCode === 0) return true;
    if (/no stack named/.test(result.stderr)) return false;
    throw pulumiError(result, this.#target.stack);
  }

  /** Makes the stack; for a passphrase this also writes the salt into the file. */
  async initialiseStack(): Promise<void> {
    const result = await this.#run(["stack", "init", "--no-select", this.#target.stack]);
    if (result.exitCode !== 0) throw pulumiError(result, this.#target.stack);
  }

  /** Encrypts one value into the file. It travels on stdin: no process list shows it. */
  async setSecret(path: string, value: string): Promise<void> {
    const args = ["config", "set", "--secret", "--path", `im:${path}`, "--stack", this.#target.stack];
    const result = await this.#run(args, { input: value });
    if (result.exitCode !== 0) throw pulumiError(result, this.#target.stack);
  }

  /** Puts the finished file in the operator's place, in one step. */
  publish(): void {
    const destination = this.#target.configurationFile;
    const temporary = `${destination}.${process.pid}.partial`;
    try {
      writeFileSync(temporary, this.read(), {
        mode: existsSync(destination) ? statSync(destination).mode & 0o777 : 0o644,
      });
      renameSync(temporary, destination);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw new OperatorError(`${basename(destination)} could not be written: ${(error as Error).message}`);
    }
  }

  async #run(args: readonly string[], options: { input?: string } = {}) {
    return await this.#pulumi(args, { ...options, cwd: this.#folder });
  }
}
