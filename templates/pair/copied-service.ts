import { quote, script } from "../../lib/shell.ts";

/** How server A runs a container of the operator's, as far as its copy on server B needs it. */
export interface CopiedService {
  /** NAME=value, each. */
  readonly environment: readonly string[];
  readonly command: readonly string[];
  readonly entrypoint: readonly string[];
}

/** Prints it as JSON, on server A. With the application's passwords: the output is a secret. */
export function renderReadService(container: string): string {
  const format =
    '{"environment":{{json .Config.Env}},"command":{{json .Config.Cmd}},"entrypoint":{{json .Config.Entrypoint}}}';
  return script(`timeout 20 docker inspect --format ${quote(format)} ${quote(container)}`);
}

export function parseService(printed: string): CopiedService {
  const read = JSON.parse(printed) as Partial<Record<keyof CopiedService, string[] | null>>;
  return {
    environment: read.environment ?? [],
    command: read.command ?? [],
    entrypoint: read.entrypoint ?? [],
  };
}
