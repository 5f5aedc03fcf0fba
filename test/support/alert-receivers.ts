import { labPulumi } from "../../engine/lab-pulumi.ts";
import { labNetwork } from "../../lab/addresses.ts";
import { OperatorError } from "../../lib/errors.ts";
import { type Message, message, type Sink, smtpSink, webhookSink } from "./message-sinks.ts";

/** A mail server and a webhook on this machine, where the lab's servers reach it. */
export interface AlertReceivers {
  readonly hooks: Sink;
  readonly mails: Sink;
  readonly close: () => Promise<void>;
}

export async function openReceivers(): Promise<AlertReceivers> {
  const hooks = await webhookSink(labNetwork.gateway);
  const mails = await smtpSink(labNetwork.gateway);
  return {
    hooks,
    mails,
    close: async () => {
      await hooks.close();
      await mails.close();
    },
  };
}

/** Writes the receivers into a stack of the lab, as an operator would; the next `up` applies them. */
export async function configureReceivers(stack: string, { hooks, mails }: AlertReceivers): Promise<void> {
  const address = labNetwork.gateway;
  const set = async (path: string, value: string, ...options: string[]): Promise<void> => {
    const result = await labPulumi(["config", "set", ...options, "--path", path, "-s", stack], { input: value });
    if (result.exitCode !== 0) throw new OperatorError(`${path} could not be set: ${result.stderr.trim()}`);
  };
  await set("im:alerts.mail.smarthost", `${address}:${mails.port}`);
  await set("im:alerts.mail.from", "im-suite@example.com");
  await set("im:alerts.mail.to[0]", "ops@example.com");
  await set("im:alerts.mail.requireTls", "false");
  await set("im:alertCredentials.webhooks.ops", `http://${address}:${hooks.port}/ops`, "--secret");
  await set("im:alertCredentials.feishuRobotUrl", `http://${address}:${hooks.port}/feishu`, "--secret");
}

/** Takes them out again. */
export async function forgetReceivers(stack: string): Promise<void> {
  for (const key of ["im:alerts", "im:alertCredentials"]) await labPulumi(["config", "rm", key, "-s", stack]);
}

/** A service that can be broken and mended, and how its alert is told. */
export interface AlertFault {
  /** Name of the alert. */
  readonly alert: string;
  /** In every message: its summary, and in the mail the beginning of its description. */
  readonly summary: string;
  readonly description: string;
  readonly breakIt: () => Promise<unknown>;
  readonly mendIt: () => Promise<unknown>;
}

/** Seconds from the fault (or the repair) to each receiver: webhook, robot, mail. */
export interface AlertTimes {
  readonly delivered: readonly number[];
  readonly resolved: readonly number[];
}

/** Breaks a service, waits for its message at every receiver, mends it, waits for the end at every receiver. */
export async function tellAndResolve(receivers: AlertReceivers, fault: AlertFault): Promise<AlertTimes> {
  const { hooks, mails } = receivers;
  const from = { hooks: hooks.messages.length, mails: mails.messages.length };
  const brokenAt = Date.now();
  let mendedAt: number;
  let down: Message[];
  try {
    await fault.breakIt();
    down = await Promise.all([
      message(hooks, "/ops", fault.summary, 150, from.hooks),
      message(hooks, "/feishu", fault.summary, 150, from.hooks),
      message(mails, "", fault.description, 150, from.mails),
    ]);
  } finally {
    mendedAt = Date.now();
    await fault.mendIt();
  }
  const after = { hooks: hooks.messages.length, mails: mails.messages.length };
  // By the alert, not by the message: another alert of the same group may go on.
  const over = await Promise.all([
    resolved(hooks, "/ops", (text) => endedAlerts(text).includes(fault.alert), after.hooks),
    resolved(hooks, "/feishu", (text) => text.includes(`✅ 已恢复 [critical] ${fault.alert}`), after.hooks),
    resolved(mails, "", (text) => /\] Resolved/.test(text) && text.includes(fault.alert), after.mails),
  ]);
  const since = (start: number) => (one: Message) => (one.at - start) / 1000;
  return { delivered: down.map(since(brokenAt)), resolved: over.map(since(mendedAt)) };
}

/** Names of the alerts that are over, in Alertmanager's own JSON. */
function endedAlerts(text: string): string[] {
  const { alerts } = JSON.parse(text) as { alerts: { status: string; labels: { alertname: string } }[] };
  return alerts.filter((one) => one.status === "resolved").map((one) => one.labels.alertname);
}

async function resolved(sink: Sink, path: string, isIt: (text: string) => boolean, from: number): Promise<Message> {
  const deadline = Date.now() + 180_000;
  for (;;) {
    const found = sink.messages.slice(from).find((one) => one.path === path && isIt(one.text));
    if (found !== undefined) return found;
    if (Date.now() > deadline) {
      const seen = sink.messages.slice(from).map((one) => `${one.path} ${one.text.slice(0, 300)}`);
      throw new Error(`no end within 180 s at ${path || "the mail server"}; seen:\n${seen.join("\n")}`);
    }
    await new Promise((done) => setTimeout(done, 250));
  }
}
