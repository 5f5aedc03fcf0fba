import { describe, expect, it } from "vitest";
import { renderAlertmanagerConfig } from "../../templates/alertmanager.ts";
import { inImage, text } from "../support/in-image.ts";

const config = renderAlertmanagerConfig({
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
});

describe("Alertmanager (amtool)", () => {
  const check = ["check-config", "/check/alertmanager.yml"];

  it("accepts every receiver, and nothing at all", async () => {
    for (const good of [config, renderAlertmanagerConfig({ webhookFiles: {}, robotFiles: {}, repeatHours: 4 })]) {
      const result = await inImage("alertmanager", "amtool", check, { "alertmanager.yml": good });
      expect(result.exitCode, text(result)).toBe(0);
    }
  });

  it("refuses a misspelt key and a receiver that does not exist", async () => {
    for (const bad of [config.replace("payload:", "paylod:"), config.replace("receiver: people", "receiver: peopel")]) {
      const result = await inImage("alertmanager", "amtool", check, { "alertmanager.yml": bad });
      expect(result.exitCode).not.toBe(0);
    }
  });

  it.each([
    ["critical", ["severity=critical", "alertname=MySQLDown", "server=a", "service=mysql"], "people"],
    ["warning", ["severity=warning", "alertname=HighCPUUsage", "server=a", "service=host"], "people"],
    ["info", ["severity=info", "alertname=StageTwoIsDue", "server=a", "service=growth"], "people"],
    ["the watchdog", ["severity=none", "alertname=Watchdog", "server=a", "service=watchdog"], "dead-mans-switch"],
  ])("sends %s where it belongs", async (_, labels, receiver) => {
    const routing = ["config", "routes", "test", "--config.file=/check/alertmanager.yml", ...labels];
    const result = await inImage("alertmanager", "amtool", routing, { "alertmanager.yml": config });
    expect(result.exitCode, text(result)).toBe(0);
    expect(result.stdout.trim()).toBe(receiver);
  });
});
