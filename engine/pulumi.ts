import { runMain } from "../lib/errors.ts";
import { run } from "../lib/process.ts";
import { ensureEngine } from "./engine.ts";
import { labArguments, labPulumiEnvironment } from "./lab-pulumi.ts";

const help = `npm run pulumi -- <any pulumi command>

Runs Pulumi against the lab: its own state, PULUMI_HOME and configuration, all in the lab's cache folder. It can never
touch a production stack. With a login of your own, type plain \`pulumi …\` as in Pulumi's documentation.

  npm run pulumi -- preview -s stage1
  npm run pulumi -- up -s stage1 --yes
  npm run pulumi -- stack output -s stage1
  npm run pulumi -- destroy -s stage1 --yes
  npm run pulumi -- --print-environment     shell lines that put this engine on your PATH, for a stack of your own
`;

await runMain(async () => {
  const args = process.argv.slice(2);
  if (args.length === 0 || args[0] === "--help") {
    process.stdout.write(help);
    return 0;
  }
  const engine = await ensureEngine();
  if (args[0] === "--print-environment") {
    for (const [name, value] of Object.entries(engine.environment)) process.stdout.write(`export ${name}='${value}'\n`);
    process.stdout.write(
      "# Where Pulumi's servers do not answer, also: export PULUMI_HOME=… with the plugins linked there by\n",
    );
    process.stdout.write('#   npm run pulumi -- --link-plugins "$PULUMI_HOME"\n');
    return 0;
  }
  if (args[0] === "--link-plugins") {
    engine.linkPlugins(args[1] ?? `${process.env["HOME"]}/.pulumi`);
    return 0;
  }
  const environment = await labPulumiEnvironment(engine);
  const result = await run(engine.pulumi, labArguments(args), {
    environment,
    inheritOutput: true,
    timeoutSeconds: 86_400,
  });
  return result.exitCode;
});
