import { beforeAll, expect, it } from "vitest";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  stage1(testConfiguration({ mode: "adopt" }, { monitoring: { minioMetrics: false } }));
  await settled();
});

it("an operator who does not want an account in MinIO gets none, and no target that asks for one", () => {
  expect(all.filter((one) => one.name.includes("minio-metrics"))).toEqual([]);
  expect(JSON.stringify(all.map((one) => one.inputs))).not.toContain("/minio/v2/metrics");
  expect(JSON.stringify(all.map((one) => one.inputs))).toContain("/minio/health/live");
});
