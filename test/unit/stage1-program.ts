import { settled, testConfiguration, useMocks } from "../support/mocks.ts";

/** What the program of stage 1 sends to server a, without a server: Pulumi's mocks stand in for the engine. */
export interface SentToServer {
  /** Content of every HostFile, by its path on the server. */
  readonly files: ReadonlyMap<string, string>;
  /** Every script, by resource and operation. */
  readonly scripts: ReadonlyMap<string, string>;
}

/** Runs the real stage 1 program. Once per process: the mocks are one global object. */
export async function stage1Program(mode: "adopt" | "create"): Promise<SentToServer> {
  const registered = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  // Only the operator knows the schema of an adopted suite.
  stage1(testConfiguration({ mode }, mode === "adopt" ? { growth: { database: "im" } } : {}));
  await settled();
  const files = new Map<string, string>();
  const scripts = new Map<string, string>();
  for (const { type, name, inputs } of registered) {
    if (type !== "command:remote:Command") continue;
    for (const operation of ["create", "update", "delete"]) {
      const command = inputs[operation];
      if (typeof command === "string") scripts.set(`${name}.${operation}`, scriptOf(command));
    }
    const [path] = (inputs["triggers"] as unknown[] | undefined) ?? [];
    const isFile = scripts.get(`${name}.create`)?.includes("\npath=") === true;
    if (isFile && typeof path === "string") files.set(path, String(inputs["stdin"]));
  }
  return { files, scripts };
}

/** Takes a script out of its `timeout … bash -c '…'` again. */
export function scriptOf(command: string): string {
  const quoted = /^timeout --kill-after=\d+ \d+ bash -c '(.*)'$/s.exec(command)?.[1];
  if (quoted === undefined) throw new Error(`not made by remoteCommand(): ${command.slice(0, 80)}`);
  return quoted.replaceAll(`'\\''`, "'");
}
