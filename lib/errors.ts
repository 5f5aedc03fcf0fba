/**
 * An error the operator can act on. It is printed as its message alone, without a stack trace; every other
 * error is a defect of ours and keeps its stack.
 */
export class OperatorError extends Error {
  override name = "OperatorError";
}

/**
 * Runs the main function of a command and turns its end into an exit code: 0, or 1 after an error.
 * An OperatorError prints one sentence; anything else prints its stack, because it is ours to mend.
 */
export async function runMain(main: () => Promise<number | undefined>): Promise<void> {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    process.exitCode = 1;
    if (error instanceof OperatorError) process.stderr.write(`\n${error.message}\n`);
    else process.stderr.write(`\n${error instanceof Error ? error.stack : String(error)}\n`);
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
