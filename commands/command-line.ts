import { type ParseArgsConfig, parseArgs } from "node:util";
import { messageOf, OperatorError } from "../lib/errors.ts";

/**
 * Parses the options of a command; a misspelt one is a sentence, not a stack trace.
 * @param command as it is typed, for the hint.
 */
export function parseOptions<Options extends NonNullable<ParseArgsConfig["options"]>>(
  command: string,
  options: Options,
): ReturnType<typeof parseArgs<{ options: Options; strict: true }>>["values"] {
  try {
    return parseArgs({ options, strict: true }).values;
  } catch (error) {
    throw new OperatorError(`${messageOf(error)}\nWhat there is: ${command} -- --help`);
  }
}

/** `npm run doctor | head`: when the reader goes away, so do we, without a stack trace. */
export function endQuietlyWithoutReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}
