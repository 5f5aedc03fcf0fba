import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultImages, type ImageKey, imageKeys } from "../config/images.ts";
import { OperatorError } from "../lib/errors.ts";
import { shortHash } from "../lib/hash.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { run } from "../lib/process.ts";
import { type Step, step } from "../lib/progress.ts";
import { labLabel } from "./addresses.ts";
import {
  baseImageReference,
  ensureBaseImage,
  ensureImage,
  type ImageDefinition,
  imageReference,
} from "./build-image.ts";
import { docker, ensureDocker, labLog } from "./docker.ts";
import { withLabLock } from "./lab-lock.ts";
import {
  alertmanagerVersion,
  buildAlertmanager,
  buildMinio,
  buildSampleProgram,
  minioVersion,
  sampleProgramExists,
} from "./programs.ts";
import { ensureRegistry, labRegistry, registryHas } from "./registry.ts";

/** An image that the lab's registry has. */
export interface AvailableImage {
  /** `198.18.0.2:5000/im/mysql:9.7.4@sha256:…`, as the servers pull it. */
  readonly reference: string;
  readonly origin: "official" | "built";
  /** The program's own version. */
  readonly version: string;
  /** What it was made from: the official image's name, or the name of our own with its hash. A changed one is made anew. */
  readonly definition: string;
}

export interface UnavailableImage {
  /** Why, as one sentence for the summary. */
  readonly unavailable: string;
}

export type LabImages = { readonly [Key in ImageKey]?: AvailableImage | UnavailableImage };

const imagesFile = cacheDirectory("lab", "images.json");

/** The images of the last `ensureImages`; empty before the first. */
export function readImages(): LabImages {
  try {
    return JSON.parse(readFileSync(imagesFile, "utf8")) as LabImages;
  } catch {
    return {};
  }
}

/** The reference of an image that must be there. @throws OperatorError with the reason where it is not. */
export function requireImage(images: LabImages, key: ImageKey): string {
  const image = images[key];
  if (image !== undefined && "reference" in image) return image.reference;
  throw new OperatorError(
    `The lab has no image "${key}": ${image?.unavailable ?? "it was not made yet. Type: npm run lab -- images"}`,
  );
}

/** How an image of ours is made where the official one cannot be pulled. */
interface Recipe {
  /** What it stands on. Everything but MySQL shares one image, so that a server downloads it once. */
  readonly base: "service" | "sid";
  /** Everything else that the result depends on; knowing it builds nothing. */
  readonly image: Omit<ImageDefinition, "base" | "files">;
  /** Compiles what goes into the image: name in the build's folder -> path. */
  readonly files?: () => Promise<Record<string, string>>;
  /** The program's version, or the command that prints it inside the image. */
  readonly version: readonly string[] | string;
}

const imagesDirectory = join(repositoryRoot, "lab", "images");
const folder = (name: string) => join(imagesDirectory, name);

function fromFolder(name: string, version: readonly string[], base: Recipe["base"] = "service"): Recipe {
  return { base, image: { name, directory: folder(name) }, version };
}

function exporter(name: string, packageName: string, program: string): Recipe {
  const buildArguments = {
    RELEASE: "trixie",
    PACKAGE: packageName,
    SOURCE: `usr/bin/${packageName}`,
    PROGRAM: `/bin/${program}`,
  };
  return {
    base: "service",
    image: { name, directory: folder("exporter"), buildArguments },
    version: [`/bin/${program}`, "--version"],
  };
}

/** Keyed by the compiled program: a change elsewhere in the sample suite must not give a running suite another image. */
async function application(program: "im-backend" | "im-admin"): Promise<Recipe> {
  const file = await buildSampleProgram(program);
  const filesKey = shortHash(readFileSync(file));
  return {
    base: "service",
    image: { name: program, directory: folder("application"), buildArguments: { PROGRAM: program }, filesKey },
    files: async () => ({ program: file }),
    version: filesKey,
  };
}

function minio(): Recipe {
  return {
    base: "service",
    image: { name: "minio", directory: folder("minio"), filesKey: minioVersion },
    files: async () => ({ minio: await buildMinio() }),
    // A pseudo-version carries the day of the commit; the program itself only says that it is a development build.
    version: minioVersion.replace(/^v0\.0\.0-(\d{4})(\d{2})(\d{2}).*$/, "$1.$2.$3"),
  };
}

function alertmanager(): Recipe {
  return {
    base: "service",
    image: { name: "alertmanager", directory: folder("alertmanager"), filesKey: alertmanagerVersion },
    files: async () => await buildAlertmanager(),
    version: alertmanagerVersion.slice(1),
  };
}

/** Grafana has none: it is in no registry of packages. */
const recipes: { readonly [Key in ImageKey]?: () => Recipe | Promise<Recipe> } = {
  mysql: () => fromFolder("mysql", ["mysqld", "--version"], "sid"),
  redis: () => fromFolder("redis", ["redis-server", "--version"]),
  minio,
  nodeExporter: () => exporter("node-exporter", "prometheus-node-exporter", "node_exporter"),
  mysqldExporter: () => exporter("mysqld-exporter", "prometheus-mysqld-exporter", "mysqld_exporter"),
  redisExporter: () => exporter("redis-exporter", "prometheus-redis-exporter", "redis_exporter"),
  blackboxExporter: () => fromFolder("blackbox-exporter", ["/bin/blackbox_exporter", "--version"]),
  prometheus: () => fromFolder("prometheus", ["/bin/prometheus", "--version"]),
  alertmanager,
  backend: () => application("im-backend"),
  admin: () => application("im-admin"),
};

const sampleProgramOf: { readonly [Key in ImageKey]?: "im-backend" | "im-admin" } = {
  backend: "im-backend",
  admin: "im-admin",
};

/**
 * Makes sure that the lab's registry has every image of the suite: the official one where an image registry can be reached,
 * else one built here with the official image's contract. An image that is there stays, whichever it is, until its
 * definition changes: a running suite must not get another image because a network came back.
 * @returns every key, with the reason where an image cannot be had. Also written to `images.json` in the lab's cache.
 */
export async function ensureImages(keys: readonly ImageKey[] = imageKeys): Promise<LabImages> {
  return await withLabLock(async () => {
    await ensureDocker();
    const pushAddress = await ensureRegistry();
    const known: Record<string, AvailableImage | UnavailableImage> = { ...readImages() };
    for (const key of keys) {
      known[key] = await ensureOne(key, known[key], pushAddress);
      // After each: an interrupted run goes on where it was.
      writeJson(imagesFile, known);
    }
    return known;
  });
}

async function ensureOne(
  key: ImageKey,
  known: AvailableImage | UnavailableImage | undefined,
  pushAddress: string,
): Promise<AvailableImage | UnavailableImage> {
  const official = (defaultImages as Partial<Record<ImageKey, string>>)[key];
  const program = sampleProgramOf[key];
  if (program !== undefined && !sampleProgramExists(program)) {
    return { unavailable: `lab/sample-suite/cmd/${program} is missing.` };
  }
  // An official image that is in use needs nothing of ours: no base is built only to compare.
  if (isImage(known) && known.definition === official && (await isInRegistry(known))) return known;
  const recipe = await recipes[key]?.();
  const image = recipe === undefined ? undefined : { ...recipe.image, base: await recipeBaseReference(recipe) };
  const definition = image === undefined ? undefined : imageReference(image);
  if (isImage(known) && known.definition === definition && (await isInRegistry(known))) return known;
  if (official !== undefined && (await imagesCanBePulled())) {
    const pulled = await pull(key, official, pushAddress);
    if (pulled !== undefined) return pulled;
  }
  if (recipe === undefined || image === undefined) {
    return { unavailable: `${official} cannot be pulled here, and there is no package to build it from.` };
  }
  await ensureRecipeBase(recipe);
  const files = await recipe.files?.();
  const built = await ensureImage(files === undefined ? image : { ...image, files });
  return await push(built, repositoryOf(key), await versionIn(built, recipe.version), pushAddress, "built", built);
}

function isImage(image: AvailableImage | UnavailableImage | undefined): image is AvailableImage {
  return image !== undefined && "reference" in image;
}

/** The name of what the recipe stands on. Making it is for `ensureRecipeBase`: a run that has nothing to build needs only the name. */
async function recipeBaseReference(recipe: Recipe): Promise<string> {
  if (recipe.base === "sid") return await baseImageReference("sid");
  return imageReference({ ...serviceImage, base: await baseImageReference() });
}

async function ensureRecipeBase(recipe: Recipe): Promise<void> {
  if (recipe.base === "sid") await ensureBaseImage("sid");
  else await ensureImage({ ...serviceImage, base: await ensureBaseImage() });
}

const serviceImage = { name: "service", directory: folder("service") };

async function isInRegistry(image: AvailableImage): Promise<boolean> {
  const parsed = parseLabReference(image.reference);
  return parsed !== undefined && (await registryHas(parsed.repository, parsed.digest));
}

/** Takes `198.18.0.2:5000/im/mysql:9.7.4@sha256:…` apart; undefined for anything that is not in the lab's registry. */
export function parseLabReference(reference: string): { repository: string; tag: string; digest: string } | undefined {
  const match = /^198\.18\.0\.2:5000\/([a-z0-9/._-]+):([\w.-]+)@(sha256:[0-9a-f]{64})$/.exec(reference);
  if (match === null) return undefined;
  const [, repository = "", tag = "", digest = ""] = match;
  return { repository, tag, digest };
}

/** `mysqldExporter` -> `im/mysqld-exporter`. */
export function repositoryOf(key: ImageKey): string {
  return `im/${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

const reachabilityFile = cacheDirectory("lab", "image-registries.json");
const reachabilityHours = 12;

/** Whether official images can be pulled. One short trial through the engine (its mirrors count), remembered for hours. */
async function imagesCanBePulled(): Promise<boolean> {
  try {
    const known = JSON.parse(readFileSync(reachabilityFile, "utf8")) as { reachable: boolean; at: string };
    if (Date.now() - Date.parse(known.at) < reachabilityHours * 3_600_000) return known.reachable;
  } catch {
    // Never tried.
  }
  return await step("Can official images be pulled?", async (progress) => {
    const trial = await run("docker", ["pull", "--quiet", "hello-world"], { timeoutSeconds: 20, logFile: labLog });
    const reachable = trial.exitCode === 0;
    progress.note(reachable ? "yes: the official images are used" : "no: equivalents are built from packages");
    writeJson(reachabilityFile, { reachable, at: new Date().toISOString() });
    return reachable;
  });
}

async function pull(key: ImageKey, official: string, pushAddress: string): Promise<AvailableImage | undefined> {
  const pulled = await step(`Pull ${official}`, async (progress) => {
    const result = await run("docker", ["pull", official], {
      timeoutSeconds: 900,
      logFile: labLog,
      onLine: (line) => progress.detail(line),
    });
    if (result.exitCode !== 0)
      progress.note(`${official} cannot be pulled: ${result.stderr.trim().split("\n").at(-1)}`);
    return result.exitCode === 0;
  });
  if (!pulled) return undefined;
  const tag = /:([^:/@]+)(@.*)?$/.exec(official)?.[1] ?? "latest";
  return await push(official, repositoryOf(key), tag, pushAddress, "official", official);
}

async function push(
  image: string,
  repository: string,
  version: string,
  pushAddress: string,
  origin: AvailableImage["origin"],
  definition: string,
): Promise<AvailableImage> {
  const pushed = `${pushAddress}/${repository}:${version}`;
  return await step(`Push ${repository}:${version} to the lab's registry`, async (progress: Step) => {
    await docker(["tag", image, pushed]);
    const result = await docker(["push", pushed], { timeoutSeconds: 900, onLine: (line) => progress.detail(line) });
    // The port on this machine changes with every start of the registry: such a name is of no use later.
    await run("docker", ["image", "rm", pushed]);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(result.stdout)?.[1];
    if (digest === undefined) throw new Error(`docker push of ${pushed} named no digest`);
    return { reference: `${labRegistry.name}/${repository}:${version}@${digest}`, origin, version, definition };
  });
}

async function versionIn(image: string, version: Recipe["version"]): Promise<string> {
  if (typeof version === "string") return version;
  const [command = "", ...args] = version;
  const result = await docker([
    ...["run", "--rm", "--network", "none", "--label", labLabel, "--entrypoint", command, image, ...args],
  ]);
  return parseVersion(`${result.stdout}\n${result.stderr}`);
}

/** The first thing that looks like a version in what a program says about itself. */
export function parseVersion(text: string): string {
  const found =
    /(?:version|ver|v=)[ :=]*v?(\d+\.\d+(?:\.\d+)?)/i.exec(text)?.[1] ?? /\b(\d+\.\d+\.\d+)\b/.exec(text)?.[1];
  if (found === undefined) throw new Error(`no version in ${JSON.stringify(text.slice(0, 200))}`);
  return found;
}

function writeJson(file: string, value: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(temporary, file);
}
