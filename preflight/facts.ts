import { type MeasuredGrowth, parseMeasuredGrowth } from "../config/growth.ts";

/**
 * What a server is, as one bounded look at it tells. Facts may refuse or warn; they never shape a resource: a resource that
 * depends on what happened to be true at preview time would make the preview untruthful.
 */
export interface ServerFacts {
  readonly system: {
    readonly id: string;
    readonly version: string;
    readonly name: string;
    readonly architecture: string;
  };
  readonly root: boolean;
  readonly memoryMiB: { readonly total: number; readonly available: number };
  /** File systems that matter, by what lies on them. */
  readonly disks: Readonly<Record<"root" | "state", DiskFacts>>;
  /** Version of the running Docker Engine; undefined when there is none or it does not answer. */
  readonly docker: string | undefined;
  readonly containers: readonly ContainerFacts[];
  readonly listeners: readonly ListenerFacts[];
  /** Hosting panels that manage the server behind our back. */
  readonly panels: readonly string[];
  /** Create-once secrets that an earlier stack left. Names only. */
  readonly createOnceSecrets: readonly string[];
  /** Services whose data directory of an earlier created suite is not empty. */
  readonly createdData: readonly string[];
  /** Server's clock minus ours, in seconds; half the ssh round trip is the error. */
  readonly clockOffsetSeconds: number;
  /** Only for an adopted suite whose MySQL container runs. */
  readonly mysql: MysqlFacts | { readonly error: string } | undefined;
  /** What our Prometheus on it measured for the triggers of stage 2. Empty before there is one. */
  readonly growth: MeasuredGrowth;
}

export interface DiskFacts {
  readonly totalMiB: number;
  readonly availableMiB: number;
}

export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly status: string;
  /** RFC 3339, from the engine. */
  readonly startedAt: string;
  readonly restartCount: number;
  readonly restartPolicy: string;
  readonly networks: readonly string[];
  /** Ports that Docker publishes for it; none of a stopped one. */
  readonly published: readonly PublishedPort[];
  /** The stage that owns it, when it is ours. */
  readonly stage: string;
}

export interface PublishedPort {
  /** On the server. */
  readonly address: string;
  readonly port: number;
  /** Inside the container. */
  readonly containerPort: number;
}

export interface ListenerFacts {
  readonly address: string;
  readonly port: number;
  /** Name of the process; "docker-proxy" for a published port. */
  readonly process: string;
}

export interface MysqlFacts {
  readonly version: string;
  readonly logBin: boolean;
  readonly gtidMode: string;
  readonly serverId: number;
  readonly innodbPageSize: number;
  readonly binlogFormat: string;
  /** Data and indexes of all schemas, from information_schema. */
  readonly dataMiB: number;
}

/**
 * Turns the probe's lines into facts. A line is `name<TAB>value`.
 * @param clockBefore local time in seconds when the probe began; the middle of the call is compared with the server's.
 */
export function parseFacts(output: string, clock: { readonly before: number; readonly after: number }): ServerFacts {
  const values = new Map<string, string>();
  const many = new Map<string, string[]>();
  for (const line of output.split("\n")) {
    const tab = line.indexOf("\t");
    if (tab < 0) continue;
    const name = line.slice(0, tab);
    const value = line.slice(tab + 1);
    values.set(name, value);
    many.set(name, [...(many.get(name) ?? []), value]);
  }
  const text = (name: string) => values.get(name) ?? "";
  const number = (name: string) => Number(text(name)) || 0;
  const list = (name: string) => (many.get(name) ?? []).filter((value) => value !== "");
  return {
    system: {
      id: text("system.id"),
      version: text("system.version"),
      name: text("system.name"),
      architecture: text("system.architecture"),
    },
    root: text("uid") === "0",
    memoryMiB: { total: number("memory.total"), available: number("memory.available") },
    disks: {
      root: { totalMiB: number("disk.root.total"), availableMiB: number("disk.root.available") },
      state: { totalMiB: number("disk.state.total"), availableMiB: number("disk.state.available") },
    },
    docker: text("docker") === "" ? undefined : text("docker"),
    containers: list("container").map(parseContainer),
    listeners: list("listener").map(parseListener),
    panels: list("panel"),
    createOnceSecrets: list("create-once"),
    createdData: list("data"),
    clockOffsetSeconds: number("clock") - (clock.before + clock.after) / 2,
    mysql: parseMysql(text("mysql"), text("mysql.error")),
    growth: parseMeasuredGrowth(text("growth")),
  };
}

function parseContainer(line: string): ContainerFacts {
  const [id, name, image, imageId, status, startedAt, restartCount, restartPolicy, networks, published, stage] =
    line.split("|");
  return {
    id: id ?? "",
    name: (name ?? "").replace(/^\//, ""),
    image: image ?? "",
    imageId: imageId ?? "",
    status: status ?? "",
    startedAt: startedAt ?? "",
    restartCount: Number(restartCount ?? 0),
    restartPolicy: restartPolicy ?? "",
    networks: (networks ?? "").split(",").filter((network) => network !== ""),
    published: parsePublished(published ?? ""),
    stage: stage === "<no value>" ? "" : (stage ?? ""),
  };
}

/** `address:port>containerPort/protocol,` for each; an IPv6 address has colons of its own. */
function parsePublished(text: string): PublishedPort[] {
  return [...text.matchAll(/([^,>]*):(\d+)>(\d+)\/tcp,/g)].map(([, address, port, containerPort]) => ({
    address: address ?? "",
    port: Number(port),
    containerPort: Number(containerPort),
  }));
}

/** One line of `ss -Hltnp`: state, queues, local, peer, process. */
function parseListener(line: string): ListenerFacts {
  const columns = line.trim().split(/\s+/);
  const local = columns[3] ?? "";
  const colon = local.lastIndexOf(":");
  const process = /\(\("([^"]+)"/.exec(line)?.[1] ?? "";
  return { address: local.slice(0, colon).replace(/%.*$/, ""), port: Number(local.slice(colon + 1)), process };
}

function parseMysql(row: string, error: string): ServerFacts["mysql"] {
  if (error !== "") return { error };
  if (row === "") return undefined;
  const [version, logBin, gtidMode, serverId, pageSize, binlogFormat, dataMiB] = row.split("|");
  return {
    version: version ?? "",
    logBin: logBin === "1",
    gtidMode: gtidMode ?? "",
    serverId: Number(serverId),
    innodbPageSize: Number(pageSize),
    binlogFormat: binlogFormat ?? "",
    dataMiB: Number(dataMiB),
  };
}
