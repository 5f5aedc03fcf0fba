import { ensureEngine } from "../engine/engine.ts";
import { ensureImages, type LabImages } from "./images.ts";
import { labUp } from "./servers.ts";
import { unavailableImages, writeLabConfiguration } from "./stack-configuration.ts";
import { ensureSuite, suiteCredentials, suiteNames } from "./suite.ts";

/** The stack whose server a is the lab's server A, with the adopted suite. */
export const adoptStack = "stage1";

/**
 * Everything that a run on the lab stands on: the engine, the servers, the images, the live suite on A, the configuration
 * of stage 1. Idempotent; a part that is there costs a look.
 */
export async function ensureLab(): Promise<LabImages> {
  await ensureEngine();
  await labUp();
  const images = await ensureImages();
  await ensureSuite();
  await writeAdoptConfiguration(images);
  return images;
}

/** The configuration that an operator of the suite on A would write. */
export async function writeAdoptConfiguration(
  images: LabImages,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const without = unavailableImages(images).filter((key) => key === "grafana");
  await writeLabConfiguration({
    stack: adoptStack,
    server: "a",
    suite: { mode: "adopt", without },
    images,
    credentials: suiteCredentials(),
    more: { growth: { database: suiteNames.database }, ...more },
  });
}
