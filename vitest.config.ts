import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const project = (name: string, options: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], environment: "node", ...options },
});

/** One lab, used by one test at a time; each file begins with what it needs, whatever ran before it. */
const oneLab = {
  fileParallelism: false,
  sequence: { concurrent: false },
  testTimeout: 900_000,
  hookTimeout: 900_000,
};

/** By name: vitest would begin with what failed or took longest last time, another order on every machine. */
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.sort((left, right) => left.moduleId.localeCompare(right.moduleId));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: ByName },
    projects: [
      // Fifteen times what the slowest needs: tests share the machine with builds.
      project("unit", { testTimeout: 60_000 }),
      // Pulumi's mocks are global to a process: each file gets one of its own.
      project("components", { pool: "forks", testTimeout: 30_000, hookTimeout: 60_000 }),
      // Its own threads simulate: one file at a time, or the files would share the cores.
      project("simulator", { fileParallelism: false, testTimeout: 600_000 }),
      project("validators", { testTimeout: 120_000 }),
      project("lab", oneLab),
      // Too long for every run: npm test -- --only long.
      project("long", oneLab),
    ],
  },
});
