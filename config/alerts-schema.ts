import { z } from "zod";
import { withoutLineBreak } from "./schema-values.ts";

const hostAndPort = "expected host:port, for example smtp.example.com:587";
const mailAddress = z.string().regex(/^[^\s@,<>]+@[^\s@,<>]+$/, "expected a mail address");

/** Where alerts go, without the secrets. */
export const alerts = z.strictObject({
  mail: z
    .strictObject({
      smarthost: z.string(hostAndPort).regex(/^[a-zA-Z0-9.-]+:\d{1,5}$/, hostAndPort),
      from: mailAddress,
      to: z.array(mailAddress).min(1, "expected at least one mail address"),
      /** Login at the mail server; its password is alertCredentials.mailPassword. */
      user: z.string().min(1).optional(),
      /** Off only for a server in the same trusted network. */
      requireTls: z.boolean().default(true),
    })
    .optional(),
  /** What still fires is said again after so many hours. */
  repeatHours: z.number().int().min(1).max(168).default(4),
});

const webAddress = z.url({ protocol: /^https?$/, error: "expected http://… or https://…" });

/** Alertmanager cannot sign what it sends, and an address with a signature in it is good for an hour. */
const robotAddress = webAddress.refine(
  (url) => !/[?&]sign=/.test(url),
  "expected the robot's address without a signature: guard the robot by the keyword 告警 instead (docs/decisions/0004-alert-receivers.md)",
);

/** Secrets of the receivers: who knows a robot's address can write to its group. Written with `pulumi config set --secret --path`. */
export const alertCredentials = z.strictObject({
  mailPassword: z.string().min(1).refine(withoutLineBreak, "a password cannot contain a line break or NUL").optional(),
  /** Addresses that get Alertmanager's JSON, by a name of your own. */
  webhooks: z
    .record(z.string(), webAddress)
    .refine(
      (webhooks) => Object.keys(webhooks).every((name) => /^[a-z0-9][a-z0-9-]{0,30}$/.test(name)),
      "expected names of a-z, 0-9 and -",
    )
    .default({}),
  /** Addresses of group robots (群机器人), guarded by the keyword 告警 or by the server's address, not by a signature (加签). */
  wecomRobotUrl: robotAddress.optional(),
  dingtalkRobotUrl: robotAddress.optional(),
  feishuRobotUrl: robotAddress.optional(),
  /** Hears from us every five minutes and raises the alarm when it does not: the dead man's switch. */
  deadMansSwitchUrl: webAddress.optional(),
});

export type AlertsConfiguration = z.output<typeof alerts>;
export type AlertCredentials = z.output<typeof alertCredentials>;
