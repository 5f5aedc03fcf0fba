import { OperatorError, runMain } from "../lib/errors.ts";
import { parseOptions } from "./command-line.ts";
import { chooseStack, pulumiRunner } from "./pulumi-cli.ts";
import { saveState } from "./save-state/state-on-server.ts";

const help = `npm run save-state -- -s stage1 [--lab | --config-file FILE]

Puts the state of a stack (pulumi stack export, its secrets still encrypted) and its configuration file on its server, where the
nightly backup takes them along. "npm run pulumi -- up" does it by itself; after a plain "pulumi up" type this.
Neither opens without your passphrase: keep that elsewhere. The way back: docs/runbooks/lost-laptop.md

  -s, --stack NAME     the stack, for example stage1
  --config-file FILE   the configuration of a stack of yours
  --lab                the lab's stack of that name
`;

await runMain(async () => {
  const values = parseOptions("npm run save-state", {
    stack: { type: "string", short: "s" },
    "config-file": { type: "string" },
    lab: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.stack === undefined) throw new OperatorError("Name the stack: npm run save-state -- -s stage1");
  const target = chooseStack({ stack: values.stack, lab: values.lab, configurationFile: values["config-file"] });
  const saved = await saveState(await pulumiRunner(target.kind), target);
  process.stdout.write(
    `${saved?.resources} resources of ${target.stack} and its configuration are on ${saved?.address}:\n${saved?.files.map((file) => `  ${file}\n`).join("")}`,
  );
  return 0;
});
