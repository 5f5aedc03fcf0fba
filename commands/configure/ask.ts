import { existsSync, readFileSync, statSync } from "node:fs";
import { confirm, input, password, select } from "@inquirer/prompts";
import { OperatorError } from "../../lib/errors.ts";

/** True, or the sentence that says what is wrong with an answer. */
export type Judgement = true | string;

export interface TextQuestion {
  /** Name of the answer in an answers file: the config path it becomes. */
  readonly key: string;
  readonly message: string;
  readonly default?: string | undefined;
  readonly check: (answer: string) => Judgement | Promise<Judgement>;
}

export interface SecretQuestion {
  readonly key: string;
  readonly message: string;
  /** What is configured now; an empty answer keeps it. */
  readonly current?: string | undefined;
  readonly check: (answer: string) => Judgement | Promise<Judgement>;
}

export interface ChoiceQuestion<Value extends string> {
  readonly key: string;
  readonly message: string;
  readonly default?: Value | undefined;
  readonly choices: readonly {
    readonly value: Value;
    readonly name: string;
    /** Why it cannot be chosen. */
    readonly disabled?: string | undefined;
  }[];
}

export interface ConfirmQuestion {
  readonly key: string;
  readonly message: string;
  readonly default: boolean;
}

/** Who answers: a person at a terminal, or a file. Every answer is checked before it is returned. */
export interface Asker {
  /** A person can compare what is shown with something else. */
  readonly isPerson: boolean;
  text(question: TextQuestion): Promise<string>;
  secret(question: SecretQuestion): Promise<string>;
  choose<Value extends string>(question: ChoiceQuestion<Value>): Promise<Value>;
  confirm(question: ConfirmQuestion): Promise<boolean>;
}

/** Asks at the terminal; a wrong answer is told and can be corrected. */
export const terminalAsker: Asker = {
  isPerson: true,
  text: async ({ message, default: standard, check }) =>
    await input({
      message,
      ...(standard === undefined ? {} : { default: standard, prefill: "editable" }),
      validate: async (answer) => await check(answer.trim()),
    }).then((answer) => answer.trim()),
  secret: async ({ message, current, check }) => {
    const answer = await password({
      message: current === undefined ? message : `${message} (Enter keeps the one that is configured)`,
      mask: "*",
      validate: async (given) => await check(given === "" ? (current ?? "") : given),
    });
    return answer === "" ? (current ?? "") : answer;
  },
  choose: async ({ message, default: standard, choices }) =>
    await select({
      message,
      ...(standard === undefined ? {} : { default: standard }),
      choices: choices.map(({ value, name, disabled }) => ({ value, name, disabled: disabled ?? false })),
    }),
  confirm: async ({ message, default: standard }) => await confirm({ message, default: standard }),
};

/**
 * Answers from a JSON file, for tests and for machines without a terminal. A question without an answer takes its default;
 * one without a default, and an answer that is wrong or that nobody asks for, stop everything.
 */
export class FileAsker implements Asker {
  readonly isPerson = false;
  readonly #file: string;
  readonly #answers: Map<string, unknown>;
  readonly #told: (line: string) => void;

  constructor(file: string, told: (line: string) => void) {
    this.#file = file;
    this.#told = told;
    if (!existsSync(file)) throw new OperatorError(`--answers ${file}: there is no such file.`);
    if ((statSync(file).mode & 0o077) !== 0) {
      throw new OperatorError(
        `--answers ${file}: other users can read this file, and it holds passwords. Type: chmod 600 ${file}`,
      );
    }
    let content: unknown;
    try {
      content = JSON.parse(readFileSync(file, "utf8"));
    } catch {
      throw new OperatorError(`--answers ${file}: not JSON. Expected {"servers.a.address": "203.0.113.10", …}`);
    }
    if (typeof content !== "object" || content === null || Array.isArray(content)) {
      throw new OperatorError(`--answers ${file}: expected one JSON object.`);
    }
    this.#answers = new Map(Object.entries(content));
  }

  async text(question: TextQuestion): Promise<string> {
    const given = this.#take(question.key);
    const answer = given === undefined ? question.default : String(given);
    if (answer === undefined) throw this.#missing(question);
    this.#require(question.key, await question.check(answer), answer);
    this.#told(`${question.message} ${answer}`);
    return answer;
  }

  async secret(question: SecretQuestion): Promise<string> {
    const given = this.#take(question.key);
    const answer = given === undefined ? question.current : String(given);
    if (answer === undefined) throw this.#missing(question);
    this.#require(question.key, await question.check(answer), undefined);
    this.#told(`${question.message} ${given === undefined ? "(kept)" : "(given)"}`);
    return answer;
  }

  async choose<Value extends string>(question: ChoiceQuestion<Value>): Promise<Value> {
    const given = this.#take(question.key) ?? question.default;
    if (given === undefined) throw this.#missing(question);
    const choice = question.choices.find((one) => one.value === given);
    const expected = question.choices.map((one) => JSON.stringify(one.value)).join(", ");
    this.#require(
      question.key,
      choice === undefined ? `expected one of ${expected}` : (choice.disabled ?? true),
      String(given),
    );
    this.#told(`${question.message} ${given}`);
    return given as Value;
  }

  async confirm(question: ConfirmQuestion): Promise<boolean> {
    const answer = this.#take(question.key) ?? question.default;
    if (typeof answer !== "boolean") this.#require(question.key, "expected true or false", String(answer));
    this.#told(`${question.message} ${answer === true ? "yes" : "no"}`);
    return answer === true;
  }

  /** Answers that no question took: a misspelt key must not pass for an answer. */
  requireAllTaken(): void {
    const left = [...this.#answers.keys()];
    if (left.length > 0) {
      throw new OperatorError(
        `--answers ${this.#file}: nobody asks for ${left.map((key) => JSON.stringify(key)).join(", ")}.`,
      );
    }
  }

  #take(key: string): unknown {
    const value = this.#answers.get(key);
    this.#answers.delete(key);
    return value;
  }

  #missing(question: { readonly key: string; readonly message: string }): OperatorError {
    return new OperatorError(
      `--answers ${this.#file}: ${JSON.stringify(question.key)} is missing (${question.message})`,
    );
  }

  #require(key: string, judgement: Judgement, shown: string | undefined): void {
    if (judgement === true) return;
    const value = shown === undefined ? "" : ` = ${JSON.stringify(shown)}`;
    throw new OperatorError(`--answers ${this.#file}: ${JSON.stringify(key)}${value}: ${judgement}`);
  }
}
