import { beforeAll, expect, it } from "vitest";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  stage1(testConfiguration({ mode: "create", without: ["prometheus"] }));
  await settled();
});

it("a Grafana without a Prometheus gets no data source that leads nowhere, and MinIO no account that nobody uses", () => {
  expect(all.some((one) => one.inputs["name"] === "im-grafana")).toBe(true);
  expect(JSON.stringify(all.map((one) => one.inputs))).not.toContain("/etc/im-suite/grafana/d");
  expect(all.filter((one) => one.name.includes("minio-metrics"))).toEqual([]);
});
