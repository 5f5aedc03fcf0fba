import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { messageOf, OperatorError } from "../lib/errors.ts";
import { shortHash } from "../lib/hash.ts";
import { cacheDirectory, repositoryRoot } from "../lib/paths.ts";
import { run, runChecked } from "../lib/process.ts";
import { step } from "../lib/progress.ts";
import { labLabel } from "./addresses.ts";
import { docker, dockerQuery, imageExists, installPackages, labLog, onPath } from "./docker.ts";
import { type MachineApt, readMachineApt, serverRelease } from "./machine-apt.ts";

/** One image of ours that is built from a folder with a Dockerfile. */
export interface ImageDefinition {
  /** The image becomes `im-lab/<name>:<hash of its definition>`. */
  readonly name: string;
  /** The folder with the Dockerfile, inside this repository. */
  readonly directory: string;
  /** The image below, as a reference of ours: its hash is part of the key. */
  readonly base: string;
  readonly buildArguments?: Readonly<Record<string, string>>;
  /** Files that are built elsewhere (a compiled program): name in the build's folder -> path on this machine. */
  readonly files?: Readonly<Record<string, string>>;
  /** Stands for the content of `files` in the key. */
  readonly filesKey?: string;
}

/** The reference that this definition leads to: a new definition is a new reference, so nothing stale is ever used. */
export function imageReference(definition: ImageDefinition): string {
  const parts = [definition.base, JSON.stringify(definition.buildArguments ?? {}), definition.filesKey ?? ""];
  for (const file of listFiles(definition.directory)) {
    parts.push(relative(definition.directory, file), readFileSync(file, "utf8"));
  }
  return `im-lab/${definition.name}:${shortHash(parts.join("\0"))}`;
}

/** Builds the image if the engine does not have it. @returns its reference. */
export async function ensureImage(definition: ImageDefinition): Promise<string> {
  const reference = imageReference(definition);
  if (await imageExists(reference)) return reference;
  await step(`Build image ${definition.name}`, async (progress) => {
    const context = cacheDirectory("lab", "build", definition.name);
    rmSync(context, { recursive: true, force: true });
    mkdirSync(context, { recursive: true });
    await runChecked("cp", ["-a", `${definition.directory}/.`, context]);
    for (const [name, source] of Object.entries(definition.files ?? {})) {
      mkdirSync(dirname(join(context, name)), { recursive: true });
      await runChecked("cp", [source, join(context, name)]);
    }
    const values = { BASE: definition.base, ...definition.buildArguments };
    await docker(
      [
        "build",
        ...Object.entries(values).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
        ...["--label", labLabel, "--tag", reference, "--force-rm", context],
      ],
      {
        environment: await builderEnvironment(),
        timeoutSeconds: 1800,
        onLine: (line) => progress.detail(line),
      },
    );
    rmSync(context, { recursive: true, force: true });
  });
  await removeOutdated(definition.name, reference);
  return reference;
}

/** The old builder where the newer one (a plugin of the client) is missing: the client would refuse to build at all. */
async function builderEnvironment(): Promise<Record<string, string>> {
  const newer = await run("docker", ["buildx", "version"]);
  return { DOCKER_BUILDKIT: newer.exitCode === 0 ? "1" : "0", BUILDKIT_PROGRESS: "plain" };
}

/** Images of the same name with another hash are of no use to anybody; one that a container still uses stays. */
async function removeOutdated(name: string, keep: string): Promise<void> {
  const listed = await dockerQuery(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", `im-lab/${name}`]);
  for (const reference of (listed ?? "").split("\n")) {
    if (reference !== "" && reference !== keep) await run("docker", ["image", "rm", reference]);
  }
}

function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const imagesDirectory = join(repositoryRoot, "lab", "images");
const serverDirectory = join(repositoryRoot, "lab", "server");
const baseBuilder = join(imagesDirectory, "base", "build.sh");

/** The servers' release, and the one that has packages which no stable release has (MySQL). */
export type BaseRelease = typeof serverRelease | "sid";

interface BasePlan {
  readonly reference: string;
  /** Makes the image, whether or not it exists. */
  readonly make: () => Promise<void>;
}

const plans = new Map<BaseRelease, Promise<BasePlan>>();

async function basePlan(release: BaseRelease): Promise<BasePlan> {
  const plan = plans.get(release) ?? planBase(release);
  plans.set(release, plan);
  return await plan;
}

/** The reference that the base image has or will have. Makes nothing. */
export async function baseImageReference(release: BaseRelease = serverRelease): Promise<string> {
  return (await basePlan(release)).reference;
}

/**
 * The image that all others stand on: by debootstrap from this machine's mirror, else Debian's official image.
 * @returns its reference.
 */
export async function ensureBaseImage(release: BaseRelease = serverRelease): Promise<string> {
  const plan = await basePlan(release);
  if (!(await imageExists(plan.reference))) await plan.make();
  return plan.reference;
}

const baseName = (release: BaseRelease) => (release === serverRelease ? "base" : `base-${release}`);

async function planBase(release: BaseRelease): Promise<BasePlan> {
  const machine = await readMachineApt();
  const root = process.getuid?.() === 0;
  if (machine !== undefined && root && ((await onPath("debootstrap")) || (await onPath("apt-get")))) {
    const apt = release === serverRelease ? machine : unstableApt(machine, release);
    const builder = readFileSync(baseBuilder, "utf8");
    const reference = `im-lab/${baseName(release)}:${shortHash(JSON.stringify([builder, release, apt]))}`;
    return { reference, make: async () => await debootstrapBase(release, apt, reference) };
  }
  const official = release === serverRelease ? "debian:12" : `debian:${release}`;
  const definition = { name: baseName(release), directory: join(imagesDirectory, "base"), base: official };
  return { reference: imageReference(definition), make: async () => await officialBase(definition, root) };
}

/** Unstable has neither updates nor security, and a mirror may serve it from a day that apt calls too old. */
function unstableApt(apt: MachineApt, release: BaseRelease): MachineApt {
  return {
    ...apt,
    sources: `deb ${apt.mirror} ${release} main\n`,
    configuration: `${apt.configuration}Acquire::Check-Valid-Until "false";\n`,
  };
}

async function debootstrapBase(release: BaseRelease, apt: MachineApt, reference: string): Promise<void> {
  const name = baseName(release);
  await step(`Make the base system (debootstrap ${release})`, async (progress) => {
    if (!(await onPath("debootstrap"))) await installPackages(["debootstrap"], progress);
    const work = cacheDirectory("lab", "build", name);
    await runChecked("rm", ["-rf", "--one-file-system", work]);
    const settings = join(work, "settings");
    mkdirSync(join(settings, "authorities"), { recursive: true });
    writeFileSync(join(settings, "sources.list"), apt.sources);
    writeFileSync(join(settings, "apt.conf"), apt.configuration);
    for (const [file, text] of Object.entries(apt.authorities)) {
      writeFileSync(join(settings, "authorities", file), text);
    }
    const target = join(work, "root");
    await runChecked("bash", [baseBuilder, target, release, apt.mirror, settings], {
      environment: { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
      timeoutSeconds: 1200,
      logFile: labLog,
      onLine: (line) => progress.detail(line.replace(/^I: /, "")),
    });
    progress.detail("import into Docker");
    await runChecked(
      "bash",
      [
        "-c",
        'set -o pipefail; tar -C "$1" --numeric-owner -c . | docker import --change \'CMD ["/bin/bash"]\' --change "LABEL $3" - "$2"',
        ...["import", target, reference, labLabel],
      ],
      { logFile: labLog },
    );
    await runChecked("rm", ["-rf", "--one-file-system", work]);
  });
  await removeOutdated(name, reference);
}

async function officialBase(definition: ImageDefinition, root: boolean): Promise<void> {
  try {
    await ensureImage(definition);
  } catch (error) {
    const why = root ? "this machine's apt has no Debian mirror" : "this user is not root";
    throw new OperatorError(
      `The lab's base system can be made neither by debootstrap (${why}) nor from the image ${definition.base} (it cannot be pulled). ` +
        `Run this as root with IM_LAB_DEBIAN_MIRROR set to the URL of a Debian mirror. ${messageOf(error)}`,
    );
  }
}

export interface EngineImages {
  readonly base: string;
  /** A rented Debian 12. */
  readonly server: string;
  /** The same with Docker Engine and compose. */
  readonly serverWithDocker: string;
  readonly registry: string;
}

/**
 * The images that this machine's own engine runs (servers and registry). They are also kept as one file in the cache: an
 * engine that lost its images has them back in seconds.
 */
export async function ensureEngineImages(): Promise<EngineImages> {
  await restoreEngineImages();
  const baseImage = await ensureBaseImage();
  const server = await ensureImage({ name: "server", directory: join(serverDirectory, "bare"), base: baseImage });
  const serverWithDocker = await ensureImage({
    name: "server-with-docker",
    directory: join(serverDirectory, "with-docker"),
    base: server,
  });
  const registry = await ensureImage({
    name: "registry",
    directory: join(imagesDirectory, "registry"),
    base: baseImage,
  });
  const images = { base: baseImage, server, serverWithDocker, registry };
  await saveEngineImages(images);
  return images;
}

const savedImages = cacheDirectory("lab", "engine-images.tar");
const savedList = cacheDirectory("lab", "engine-images.json");

function readSavedList(): string[] {
  try {
    return JSON.parse(readFileSync(savedList, "utf8")) as string[];
  } catch {
    return [];
  }
}

async function restoreEngineImages(): Promise<void> {
  const references = readSavedList();
  if (references.length === 0) return;
  const present = await Promise.all(references.map(imageExists));
  if (present.every(Boolean)) return;
  await step("Load the servers' images from the cache", async () => {
    const loaded = await run("docker", ["load", "--input", savedImages], { logFile: labLog, timeoutSeconds: 600 });
    // A damaged file costs a rebuild, not the run.
    if (loaded.exitCode !== 0) rmSync(savedList, { force: true });
  });
}

async function saveEngineImages(images: EngineImages): Promise<void> {
  const references = Object.values(images);
  if (JSON.stringify(readSavedList()) === JSON.stringify(references)) return;
  await step("Keep the servers' images in the cache", async () => {
    const temporary = `${savedImages}.${process.pid}`;
    rmSync(savedList, { force: true });
    await docker(["save", "--output", temporary, ...references]);
    renameSync(temporary, savedImages);
    writeFileSync(savedList, JSON.stringify(references));
  });
}
