/**
 * Progress a person can watch: one line a step, with the time it took. On a terminal the running step's line is
 * redrawn every second with the newest detail (what is downloaded or built); elsewhere (CI) a running step says
 * that it is alive every 30 s, so that a build of minutes never looks dead.
 */

const isTerminal =
  process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined && process.env["CI"] === undefined;

/** Text in a colour, on a terminal only. */
export function colour(name: "green" | "red" | "yellow" | "dim" | "bold", text: string): string {
  if (!isTerminal) return text;
  const code = { green: 32, red: 31, yellow: 33, dim: 2, bold: 1 }[name];
  return `\u001b[${code}m${text}\u001b[0m`;
}

/** Seconds as a person says them: `0.4 s`, `12 s`, `3 m 05 s`. */
export function elapsed(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, "0")} s`;
}

export interface Step {
  /** Replaces the detail behind the step's name: the last line of a build, a file that comes down. */
  detail(text: string): void;
  /** A line of its own that stays on the screen. */
  note(text: string): void;
}

/** Runs one step and prints its name, its outcome and its time. An error passes through after the line is closed. */
export async function step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let detail = "";
  const draw = () => {
    const text = `… ${title} ${elapsed(seconds())}${detail === "" ? "" : `  ${detail}`}`;
    process.stdout.write(`\r\u001b[2K${text.slice(0, (process.stdout.columns || 100) - 1)}`);
  };
  const alive = () => {
    process.stdout.write(`  … ${title}: ${elapsed(seconds())}${detail === "" ? "" : `, ${detail.slice(0, 120)}`}\n`);
  };
  if (isTerminal) draw();
  const timer = setInterval(isTerminal ? draw : alive, isTerminal ? 1000 : 30_000);
  const clear = () => {
    clearInterval(timer);
    if (isTerminal) process.stdout.write("\r\u001b[2K");
  };
  try {
    const result = await work({
      detail: (text) => {
        detail = text.trim();
      },
      note: (text) => {
        if (isTerminal) process.stdout.write("\r\u001b[2K");
        process.stdout.write(`  ${text}\n`);
      },
    });
    clear();
    process.stdout.write(`${colour("green", "✔")} ${title} ${colour("dim", elapsed(seconds()))}\n`);
    return result;
  } catch (error) {
    clear();
    process.stdout.write(`${colour("red", "✘")} ${title} ${colour("dim", elapsed(seconds()))}\n`);
    throw error;
  }
}
