import { mkdirSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { OperatorError } from "../lib/errors.ts";
import { cacheDirectory } from "../lib/paths.ts";
import { labLabel, labNetwork } from "./addresses.ts";
import { ensureEngineImages } from "./build-image.ts";
import { containerState, docker, dockerQuery } from "./docker.ts";
import { ensureRegistryCertificate } from "./keys.ts";
import { ensureNetwork } from "./network.ts";

/** The lab's image registry, as the servers see it. */
export const labRegistry = {
  container: "im-lab-registry",
  address: "198.18.0.2",
  port: 5000,
  /** The prefix of every image reference in the lab's configuration. */
  name: "198.18.0.2:5000",
} as const;

/** Pushed images live here, so they outlive the container, and the engine. */
const dataDirectory = cacheDirectory("lab", "registry");

/**
 * Starts the registry. The servers know its certificate. This machine's own engine does not have to: images are pushed to
 * a port on 127.0.0.1, which every engine accepts without one, so no file of the engine is touched.
 * @returns `127.0.0.1:<port>`, the address to push to.
 */
export async function ensureRegistry(): Promise<string> {
  const images = await ensureEngineImages();
  const files = await ensureRegistryCertificate(labRegistry.address);
  await ensureNetwork();
  const state = await containerState(labRegistry.container);
  const image = await dockerQuery(["container", "inspect", "--format", "{{.Config.Image}}", labRegistry.container]);
  // It holds nothing itself: an outdated one is simply replaced.
  if (state !== undefined && image !== images.registry) {
    await docker(["rm", "--force", labRegistry.container]);
  }
  if (state === undefined || image !== images.registry) {
    mkdirSync(dataDirectory, { recursive: true });
    await docker([
      ...["create", "--name", labRegistry.container, "--label", labLabel],
      ...["--network", labNetwork.name, "--ip", labRegistry.address, "--publish", `127.0.0.1::${labRegistry.port}`],
      ...["--volume", `${dataDirectory}:/var/lib/registry`],
      ...["--volume", `${files.certificate}:/certificates/registry.crt:ro`],
      ...["--volume", `${files.key}:/certificates/registry.key:ro`],
      ...["--log-opt", "max-size=10m", images.registry],
    ]);
  }
  if (state !== "running" || image !== images.registry) await docker(["start", labRegistry.container]);
  const push = await dockerQuery(["port", labRegistry.container, String(labRegistry.port)]);
  const address = push?.split("\n")[0];
  if (address === undefined || !/^127\.0\.0\.1:\d+$/.test(address)) {
    throw new OperatorError(
      `The lab's registry has no port on this machine: ${JSON.stringify(push)}. Type: npm run lab -- reset`,
    );
  }
  await untilItAnswers(files.authority);
  return address;
}

/** Asks the registry something. @returns status, headers and body; undefined while nothing listens. */
export async function askRegistry(
  path: string,
  authorityFile: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; digest: string | undefined; body: string } | undefined> {
  return await new Promise((resolve) => {
    const call = request(
      {
        host: labRegistry.address,
        port: labRegistry.port,
        path,
        method: options.method ?? "GET",
        headers: options.headers ?? {},
        ca: readFileSync(authorityFile),
        timeout: 5000,
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          body += text;
        });
        response.on("end", () => {
          const digest = response.headers["docker-content-digest"];
          resolve({ status: response.statusCode ?? 0, digest: typeof digest === "string" ? digest : undefined, body });
        });
      },
    );
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(undefined));
    call.end();
  });
}

/** Whether the registry has an image, by `repository` and `sha256:…`. */
export async function registryHas(repository: string, digest: string): Promise<boolean> {
  const files = await ensureRegistryCertificate(labRegistry.address);
  const answer = await askRegistry(`/v2/${repository}/manifests/${digest}`, files.authority, {
    method: "HEAD",
    headers: {
      Accept:
        "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json",
    },
  });
  return answer?.status === 200;
}

async function untilItAnswers(authority: string): Promise<void> {
  for (let attempt = 0; attempt < 60; attempt++) {
    if ((await askRegistry("/v2/", authority))?.status === 200) return;
    await sleep(250);
  }
  throw new OperatorError(
    `The lab's registry does not answer at ${labRegistry.name}. Its log: docker logs ${labRegistry.container}`,
  );
}
