import type { Asker, Judgement } from "./ask.ts";
import { judgedBy, problemAt } from "./judgement.ts";

type Plain = Record<string, unknown>;

/** Ways in which an alert can reach people, as they are typed. */
const receivers = ["mail", "wecom", "dingtalk", "feishu", "webhook", "dead-mans-switch"] as const;
type Receiver = (typeof receivers)[number];

const robots = {
  wecom: { key: "wecomRobotUrl", message: "WeCom (企业微信): address of the group robot:" },
  dingtalk: { key: "dingtalkRobotUrl", message: "DingTalk (钉钉): address of the group robot:" },
  feishu: { key: "feishuRobotUrl", message: "Feishu (飞书): address of the group robot:" },
  "dead-mans-switch": {
    key: "deadMansSwitchUrl",
    message: "Dead man's switch: address that raises the alarm when it hears nothing from us for ten minutes:",
  },
} as const;

/** What the file will say about alerts. */
export interface AlertAnswers {
  /** im:alerts without what nobody asked about; undefined leaves it away. */
  readonly alerts: Plain | undefined;
  /** im:alertCredentials, in clear. */
  readonly credentials: { readonly [key: string]: string | Readonly<Record<string, string>> };
}

export interface AlertQuestions {
  readonly ask: Asker;
  /** Whether the server, which sends the mails, reaches a mail server. */
  readonly tryMail: (smarthost: string) => Promise<Judgement>;
  readonly alerts: Plain;
  readonly credentials: Plain;
}

/** Asks who shall hear of trouble. Enter at the first question leaves everything as it is configured. */
export async function askAlerts({ ask, tryMail, alerts, credentials }: AlertQuestions): Promise<AlertAnswers> {
  const chosen = await ask.text({
    key: "alerts.receivers",
    message: `Who hears of trouble? One or more of ${receivers.join(", ")}; "none" for nobody yet:`,
    default: configuredReceivers(alerts, credentials).join(", ") || "none",
    check: (answer) => {
      const unknown = names(answer).find((name) => !isReceiver(name));
      return unknown === undefined
        ? true
        : `${JSON.stringify(unknown)} is none of ${receivers.join(", ")}; or type "none"`;
    },
  });
  const wanted = names(chosen).filter(isReceiver);
  const { mail: _before, ...kept } = alerts;
  const answers: Record<string, string | Record<string, string>> = {};
  let mail: Plain | undefined;
  if (wanted.includes("mail")) {
    const asked = await askMail(ask, tryMail, (alerts["mail"] ?? {}) as Plain, credentials);
    mail = asked.mail;
    if (asked.password !== "") answers["mailPassword"] = asked.password;
  }
  for (const receiver of wanted) {
    if (receiver === "mail" || receiver === "webhook") continue;
    const { key, message } = robots[receiver];
    answers[key] = await askAddress(ask, `alertCredentials.${key}`, message, textOf(credentials[key]), (value) => ({
      [key]: value,
    }));
  }
  if (wanted.includes("webhook")) {
    answers["webhooks"] = await askWebhooks(ask, (credentials["webhooks"] ?? {}) as Plain);
  }
  const result = { ...kept, ...(mail === undefined ? {} : { mail }) };
  return { alerts: Object.keys(result).length === 0 ? undefined : result, credentials: answers };
}

/** Several webhooks may be configured; one is asked for, the others stay. */
async function askWebhooks(ask: Asker, known: Plain): Promise<Record<string, string>> {
  const all = Object.fromEntries(Object.entries(known).map(([name, value]) => [name, String(value)]));
  const example = "https://example.com/";
  const name = await ask.text({
    key: "alertCredentials.webhooks.name",
    message: "Webhook: a name of your own for it:",
    default: Object.keys(all)[0] ?? "ops",
    check: (answer) =>
      problemAt("alertCredentials.webhooks", (raw) =>
        Object.assign(raw, { alertCredentials: { webhooks: { [answer]: example } } }),
      ),
  });
  const address = await askAddress(
    ask,
    `alertCredentials.webhooks.${name}`,
    "Webhook: its address (gets Alertmanager's JSON):",
    all[name],
    (value) => ({ webhooks: { [name]: value } }),
  );
  return { ...all, [name]: address };
}

/** An address is a secret: who knows it can write to the group. */
async function askAddress(
  ask: Asker,
  key: string,
  message: string,
  current: string | undefined,
  put: (value: string) => Plain,
): Promise<string> {
  return await ask.secret({
    key,
    message,
    current,
    check: (answer) => problemAt(key, (raw) => Object.assign(raw, { alertCredentials: put(answer) })),
  });
}

async function askMail(ask: Asker, tryMail: AlertQuestions["tryMail"], known: Plain, credentials: Plain) {
  const right = { smarthost: "smtp.example.com:587", from: "a@example.com", to: ["a@example.com"] };
  const check = (key: string, value: unknown, field = key) =>
    problemAt(`alerts.mail.${key}`, (raw) => Object.assign(raw, { alerts: { mail: { ...right, [field]: value } } }));
  const smarthost = await ask.text({
    key: "alerts.mail.smarthost",
    message: "Mail server, as host:port:",
    default: textOf(known["smarthost"]),
    check: async (answer) => {
      const problem = check("smarthost", answer);
      return problem === true ? await judgedBy(() => tryMail(answer)) : problem;
    },
  });
  const from = await ask.text({
    key: "alerts.mail.from",
    message: "Sender's address:",
    default: textOf(known["from"]),
    check: (answer) => check("from", answer),
  });
  const to = await ask.text({
    key: "alerts.mail.to",
    message: "Recipients, separated by commas:",
    default: Array.isArray(known["to"]) ? known["to"].join(", ") : undefined,
    check: (answer) => {
      const addresses = names(answer);
      if (addresses.length === 0) return "expected at least one mail address";
      for (const [index, address] of addresses.entries()) {
        const problem = check(`to[${index}]`, addresses.slice(0, index).concat(address), "to");
        if (problem !== true) return `${address}: ${problem}`;
      }
      return true;
    },
  });
  const user = await ask.text({
    key: "alerts.mail.user",
    message: "Login at the mail server (empty: it needs none):",
    default: textOf(known["user"]) ?? "",
    check: () => true,
  });
  const password =
    user === ""
      ? ""
      : await ask.secret({
          key: "alertCredentials.mailPassword",
          message: "Its password:",
          current: textOf(credentials["mailPassword"]),
          check: (answer) =>
            problemAt("alertCredentials.mailPassword", (raw) =>
              Object.assign(raw, {
                alerts: { mail: { ...right, user: "x" } },
                alertCredentials: { mailPassword: answer },
              }),
            ),
        });
  const { user: _user, ...rest } = known;
  return { mail: { ...rest, smarthost, from, to: names(to), ...(user === "" ? {} : { user }) }, password };
}

function configuredReceivers(alerts: Plain, credentials: Plain): Receiver[] {
  const has: Readonly<Record<Receiver, boolean>> = {
    mail: alerts["mail"] !== undefined,
    webhook: Object.keys((credentials["webhooks"] ?? {}) as Plain).length > 0,
    wecom: credentials["wecomRobotUrl"] !== undefined,
    dingtalk: credentials["dingtalkRobotUrl"] !== undefined,
    feishu: credentials["feishuRobotUrl"] !== undefined,
    "dead-mans-switch": credentials["deadMansSwitchUrl"] !== undefined,
  };
  return receivers.filter((receiver) => has[receiver]);
}

function isReceiver(name: string): name is Receiver {
  return (receivers as readonly string[]).includes(name);
}

function names(answer: string): string[] {
  return answer
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "none");
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
