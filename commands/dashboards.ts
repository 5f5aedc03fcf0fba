import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf, OperatorError, runMain } from "../lib/errors.ts";
import { dashboardFiles, pairDashboardFiles } from "../templates/grafana/dashboards.ts";
import { dataSource } from "../templates/grafana/render.ts";
import { endQuietlyWithoutReader, parseOptions } from "./command-line.ts";
import { fromWhereTyped } from "./pulumi-cli.ts";

const help = `npm run dashboards -- --output FOLDER

Writes our Grafana dashboards (host, MySQL, Redis, MinIO, backend, backups, pair) as JSON files, for a Grafana that we do not manage: that
of an adopted suite, or one elsewhere. Changes nothing on a server. A created suite's own Grafana has them already.
How to import them: docs/runbooks/dashboards.md

  -o, --output FOLDER   where to; made when it is missing, files of the same name are overwritten
`;

endQuietlyWithoutReader();
await runMain(async () => {
  const options = parseOptions("npm run dashboards", {
    output: { type: "string", short: "o" },
    help: { type: "boolean" },
  });
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  if (options.output === undefined || options.output === "") {
    throw new OperatorError("--output is missing: expected a folder. Type: npm run dashboards -- --output dashboards");
  }
  const folder = fromWhereTyped(options.output);
  try {
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of [...dashboardFiles(), ...pairDashboardFiles()]) {
      writeFileSync(join(folder, name), content);
      process.stdout.write(`${join(folder, name)}\n`);
    }
  } catch (error) {
    throw new OperatorError(`--output ${options.output}: ${messageOf(error)}`);
  }
  process.stdout.write(
    `They look for a data source whose name begins with "${dataSource.name}": docs/runbooks/dashboards.md\n`,
  );
  return 0;
});
