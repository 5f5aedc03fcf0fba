import * as pulumi from "@pulumi/pulumi";
import { beforeAll, expect, it } from "vitest";
import type { StackBelow } from "../../stacks/stack-below.ts";

let stackBelow: (own: Readonly<Record<string, unknown>>) => Promise<StackBelow | undefined>;
const asked: string[] = [];

beforeAll(async () => {
  const outputs = {
    foundation: { servers: {}, suite: { mode: "create" } },
    credentials: { mysql: { root: "canary" }, redis: { password: "" } },
  };
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        const name = String(args.inputs["name"]);
        asked.push(name);
        const empty = name.endsWith("/empty");
        return {
          id: name,
          state: { ...args.inputs, outputs: empty ? {} : outputs, secretOutputNames: empty ? [] : ["credentials"] },
        };
      },
      call: (args) => args.inputs,
    },
    "im-suite-ha",
    "stage2",
  );
  ({ stackBelow } = await import("../../stacks/stack-below.ts"));
});

it("stage 1 stands on nothing", async () => {
  expect(await stackBelow({ stage: 1 })).toBeUndefined();
  expect(await stackBelow({ stage: "two" })).toBeUndefined();
});

it("reads the stack below, by its default name or the one that is given", async () => {
  const below = await stackBelow({ stage: 2 });
  expect(below?.foundation).toMatchObject({ suite: { mode: "create" } });
  expect(below?.redisHasPassword).toBe(false);
  expect(await pulumi.isSecret(below?.credentials as pulumi.Output<unknown>)).toBe(true);
  await stackBelow({ stage: 2, previousStack: "me/im-suite-ha/rehearsal" });
  expect(asked).toEqual(["organization/im-suite-ha/stage1", "me/im-suite-ha/rehearsal"]);
});

it("says what to type when the stack below was never brought up", async () => {
  await expect(stackBelow({ stage: 2, previousStack: "me/im-suite-ha/empty" })).rejects.toThrow(
    'im:previousStack = "me/im-suite-ha/empty": this stack has no output "foundation". Bring it up with this version first: pulumi up -s empty',
  );
});
