import { beforeAll, describe, expect, it } from "vitest";
import type { StackOutputs } from "../../stacks/stage1-outputs.ts";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];
let outputs: StackOutputs;
let unnamed: StackOutputs;
const command = (name: string) => all.find((one) => one.name === `${name}-command`);

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  const measured = { registered_users: 101, daily_active_users: 12, outages: 1 };
  const more = { growth: { database: "im", tables: ["members"] }, rotation: { monitoring: 7 } };
  outputs = stage1(testConfiguration({ mode: "adopt" }, more), measured);
  unnamed = stage1(testConfiguration({ mode: "adopt" }));
  await settled();
});

describe("growth of an adopted suite", () => {
  it("is counted by an account whose password is in a file and on stdin, nowhere else", () => {
    const password = "generatedagrowthpassword";
    const account = command("a-growth-account");
    expect(account?.inputs["stdin"]).toBe(`${password}\n`);
    expect(account?.secrets).toContain("stdin");
    expect(String(account?.inputs["create"])).toContain("members");
    expect(String(account?.inputs["create"])).not.toContain("messages");
    expect(String(account?.inputs["delete"])).toMatch(/DROP USER IF EXISTS .*im_growth.*@.*localhost/);
    const credentials = command("a-growth-credentials");
    expect(String(credentials?.inputs["stdin"])).toContain(password);
    expect(credentials?.secrets).toContain("stdin");
    const others = all.filter((one) => one !== account && one !== credentials && one.name !== "a-growth-password");
    for (const { name, inputs } of others) expect(JSON.stringify(inputs), name).not.toContain(password);
  });

  it("gets a new password when those of monitoring are rotated", () => {
    const password = all.find((one) => one.name === "a-growth-password");
    expect(password?.inputs["keepers"]).toEqual({ generation: "7" });
  });

  it("is counted once at every change, and then by the timer", () => {
    expect(String(command("a-growth-first-count")?.inputs["create"])).toContain("systemctl start im-growth.service");
    expect(String(command("a-growth-timer")?.inputs["stdin"])).toContain("OnCalendar=hourly");
  });

  it("is told in the outputs and as the first step", () => {
    expect(outputs.moveOn.stage2IsDue).toBe(true);
    expect(outputs.moveOn.because).toEqual([
      "registered users (注册用户): 101, above 100",
      "outages in 14 days (14 天内停机次数): 1, above 0",
    ]);
    expect(outputs.moveOn.monthlyCosts.stage2.items).toEqual({
      "main server": 800,
      "second server": 500,
      "backup storage": 50,
    });
    expect(outputs.nextSteps[0]).toContain("Stage 2 is due");
    expect(unnamed.moveOn).toMatchObject({ stage2IsDue: false, because: [] });
  });

  it("asks for the schema when nobody named it", () => {
    expect(unnamed.nextSteps.join("\n")).toContain("im:growth.database");
    expect(outputs.nextSteps.join("\n")).not.toContain("im:growth.database");
  });
});
