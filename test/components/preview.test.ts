import { expect, it } from "vitest";
import { settled, testConfiguration, useMocks } from "../support/mocks.ts";

// In a first preview every output is unknown. Code that needs a value of a resource to decide what exists would show fewer
// resources here than the `up` then makes.
it("a first preview plans every container of a created suite", async () => {
  const all = await useMocks(true);
  const { stage1 } = await import("../../stacks/stage1.ts");
  stage1(testConfiguration({ mode: "create" }));
  await settled();
  expect(all.filter((one) => one.type === "docker:index/container:Container")).toHaveLength(12);
});
