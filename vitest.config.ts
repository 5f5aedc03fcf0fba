import { defineConfig } from "vitest/config";

/**
 * The rungs of the test ladder, each a project of its own: `vitest run --project unit`. `npm test` runs them in this order,
 * `npm run check` the first two.
 */
export default defineConfig({
  test: {
    // A test that is skipped or narrowed by mistake must not look like a pass.
    allowOnly: false,
    passWithNoTests: false,
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          environment: "node",
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "components",
          include: ["test/components/**/*.test.ts"],
          environment: "node",
          // Pulumi's mocks are one global object: each file gets a process of its own.
          pool: "forks",
          isolate: true,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "validators",
          include: ["test/validators/**/*.test.ts"],
          environment: "node",
          pool: "forks",
          testTimeout: 120_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          environment: "node",
          pool: "forks",
          // There is one lab: two files at once would break each other's servers.
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { concurrent: false },
          testTimeout: 20 * 60_000,
          hookTimeout: 40 * 60_000,
        },
      },
    ],
  },
});
