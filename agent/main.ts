import { messageOf, OperatorError, runMain } from "../lib/errors.ts";
import { runCommand } from "./command/command.ts";
import { readAgentConfiguration } from "./configuration.ts";
import { Controller } from "./controller.ts";
import { ServiceManager } from "./edges/service-manager.ts";
import { ControllerHttp } from "./http/server.ts";

/** `im-failover run` is the service; everything else is what people type as `im-ha`. */
async function main(): Promise<number | undefined> {
  const words = process.argv.slice(2);
  if (words[0] !== "run") return await runCommand(words);
  await serve(words[1]);
  return 0;
}

async function serve(file: string | undefined): Promise<void> {
  const controller = new Controller(readAgentConfiguration(file));
  const manager = new ServiceManager();
  // A defect in a corner must not end what holds the pair together; the loop goes on and the event is counted.
  process.on("unhandledRejection", (error) => controller.events.note("defect", { error: messageOf(error) }));
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => controller.end());
  const http = new ControllerHttp(controller);
  try {
    await http.start();
  } catch (error) {
    throw new OperatorError(`The controller cannot listen: ${messageOf(error)}`);
  }
  await controller.run(() => manager.alive());
  await http.end();
  // Sessions of the look that was under way, timers of hooks: nothing that is worth waiting for.
  process.exit(0);
}

await runMain(main);
