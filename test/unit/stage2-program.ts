import { settled, useMocks } from "../support/mocks.ts";
import { testPair } from "../support/pair.ts";
import { type SentToServer, scriptOf } from "./stage1-program.ts";

const servers: Readonly<Record<string, string>> = { "198.18.0.11": "a", "198.18.0.12": "b", "198.18.0.13": "witness" };

/** What the program of stage 2 sends to each server, by alias: Pulumi's mocks stand in for the engine. Once per process. */
export async function stage2Program(mode: "adopt" | "create"): Promise<ReadonlyMap<string, SentToServer>> {
  const registered = await useMocks();
  const { stage2 } = await import("../../stacks/stage2.ts");
  const { configuration, below } = testPair({ mode });
  stage2(configuration, below);
  await settled();
  const sent = new Map<string, { files: Map<string, string>; scripts: Map<string, string> }>();
  for (const { type, name, inputs } of registered) {
    if (type !== "command:remote:Command") continue;
    const alias = servers[(inputs["connection"] as { host: string }).host] ?? "unknown";
    const { files, scripts } = sent.get(alias) ?? {
      files: new Map<string, string>(),
      scripts: new Map<string, string>(),
    };
    sent.set(alias, { files, scripts });
    for (const operation of ["create", "update", "delete"]) {
      const command = inputs[operation];
      if (typeof command === "string") scripts.set(`${name}.${operation}`, scriptOf(command));
    }
    const [path] = (inputs["triggers"] as unknown[] | undefined) ?? [];
    const isFile = scripts.get(`${name}.create`)?.includes("\npath=") === true;
    if (isFile && typeof path === "string") files.set(path, String(inputs["stdin"]));
  }
  return sent;
}
