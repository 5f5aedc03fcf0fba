import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseConfiguration } from "../../config/load.ts";
import { type AlertmanagerOptions, renderAlertmanagerConfig } from "../../templates/alertmanager.ts";
import { adoptedConfiguration } from "./fixtures.ts";

const everything: AlertmanagerOptions = {
  mail: {
    smarthost: "smtp.example.com:587",
    from: "im@example.com",
    to: ["one@example.com", "two@example.com"],
    user: "im",
    passwordFile: "/etc/alertmanager-secrets/mail-password",
    requireTls: true,
  },
  webhookFiles: { ops: "/etc/alertmanager-secrets/webhook-ops" },
  robotFiles: { wecom: "/s/wecom", dingtalk: "/s/dingtalk", feishu: "/s/feishu" },
  deadMansSwitchFile: "/s/switch",
  repeatHours: 4,
};
const nothing: AlertmanagerOptions = { webhookFiles: {}, robotFiles: {}, repeatHours: 4 };

describe("Alertmanager's configuration", () => {
  const config = parse(renderAlertmanagerConfig(everything));
  const people = config.receivers.find((one: { name: string }) => one.name === "people");

  test("every receiver hears of the end, too", () => {
    const all = [...people.email_configs, ...people.webhook_configs];
    expect(all).toHaveLength(5);
    for (const one of all) expect(one.send_resolved).toBe(true);
  });

  test("each robot gets the body of its own product, with the word that a keyword guard asks for", () => {
    const payloads = Object.fromEntries(
      people.webhook_configs.map((one: { url_file: string; payload?: object }) => [one.url_file, one.payload]),
    );
    expect(payloads["/etc/alertmanager-secrets/webhook-ops"]).toBeUndefined();
    expect(Object.keys(payloads["/s/wecom"])).toEqual(["msgtype", "text"]);
    expect(payloads["/s/dingtalk"].text.content).toContain("{{ else }}✅ 告警恢复{{ end }}");
    expect(Object.keys(payloads["/s/feishu"])).toEqual(["msg_type", "content"]);
    expect(payloads["/s/feishu"].content.text).toBe(payloads["/s/dingtalk"].text.content);
  });

  test("a message leaves within 5 s of its alert, the end within 30 s", () => {
    expect(config.route).toMatchObject({ receiver: "people", group_wait: "5s", group_interval: "30s" });
    expect(config.route.group_by).toEqual(["server", "service", "severity"]);
  });

  test("a host that is down silences what runs on it; a critical alert the warnings of its service; never the watchdog", () => {
    expect(config.inhibit_rules).toEqual([
      {
        source_matchers: ['alertname="HostDown"'],
        target_matchers: ['alertname!~"HostDown|Watchdog"'],
        equal: ["server"],
      },
      {
        source_matchers: ['severity="critical"'],
        target_matchers: ['severity="warning"'],
        equal: ["server", "service"],
      },
    ]);
  });

  test("the watchdog goes to its switch alone", () => {
    expect(config.route.routes[0]).toMatchObject({
      matchers: ['alertname="Watchdog"'],
      receiver: "dead-mans-switch",
      repeat_interval: "5m",
    });
    expect(parse(renderAlertmanagerConfig(nothing)).route.routes[0].receiver).toBe("nobody");
  });

  test("information is repeated every three days, to the same people", () => {
    expect(config.route.routes[1]).toEqual({ matchers: ['severity="info"'], repeat_interval: "72h" });
  });

  test("without a receiver alerts are kept and shown, and sent to nobody", () => {
    const { route, receivers } = parse(renderAlertmanagerConfig(nothing));
    expect(route.receiver).toBe("nobody");
    expect(receivers).toEqual([{ name: "nobody" }]);
  });
});

describe("the receivers in the configuration", () => {
  const message = (more: Record<string, unknown>) => {
    try {
      parseConfiguration({ ...adoptedConfiguration(), ...more });
    } catch (error) {
      return (error as Error).message;
    }
    return "accepted";
  };
  const mail = { smarthost: "smtp.example.com:587", from: "im@example.com", to: ["ops@example.com"] };

  test("mail with and without a login", () => {
    expect(message({ alerts: { mail } })).toBe("accepted");
    expect(message({ alerts: { mail: { ...mail, user: "im" } }, alertCredentials: { mailPassword: "x y'" } })).toBe(
      "accepted",
    );
  });

  test.each([
    [{ alerts: { mail: { ...mail, smarthost: "smtp.example.com" } } }, "expected host:port"],
    [{ alerts: { mail: { ...mail, to: [] } } }, "at least one mail address"],
    [{ alerts: { mail: { ...mail, to: ["ops"] } } }, "expected a mail address"],
    [{ alerts: { mail: { ...mail, user: "im" } } }, "im:alertCredentials.mailPassword is missing"],
    [{ alerts: { mail }, alertCredentials: { mailPassword: "x" } }, "im:alerts.mail.user is missing"],
    [{ alerts: { email: mail } }, "im:alerts.email: unknown key"],
    [{ alertCredentials: { dingtalkRobotUrl: "https://x.example/robot?access_token=1&sign=abc" } }, "the keyword 告警"],
    [{ alertCredentials: { webhooks: { "a b": "http://x" } } }, "a-z, 0-9"],
    [{ monitoring: { backendMetricsPath: "metrics" } }, "expected a path"],
    [{ monitoring: { tlsEndpoints: ["example.com"] } }, "expected host:port"],
  ])("refused: %j", (more, part) => expect(message(more)).toContain(part));

  test("a bad robot address is named without its value: it is a secret", () => {
    const refusal = message({ alertCredentials: { feishuRobotUrl: "open.feishu.cn/hook/very-secret" } });
    expect(refusal).toContain("im:alertCredentials.feishuRobotUrl = (secret): expected http");
    expect(refusal).not.toContain("very-secret");
  });
});
