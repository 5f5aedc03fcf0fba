import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OperatorError } from "../../lib/errors.ts";
import type { DurableRecord, PairFile } from "../view.ts";
import { readIfThere, writeDurably } from "./durable-file.ts";

const initialRecord: DurableRecord = {
  clusterId: undefined,
  highestRevision: 0,
  epoch: 0,
  cloning: false,
  setRevision: 0,
  withdrawn: undefined,
};

const initialPair: PairFile = {
  syncSet: undefined,
  lead: "held",
  handover: undefined,
  maintenance: false,
  resumedAt: undefined,
};

/**
 * What a controller knows after it, or its host, was restarted. Records are fsynced; the lease lies in /run, where a reboot ends it, as a
 * reboot ends the lease.
 */
export class Records {
  readonly #recordFile: string;
  readonly #pairFile: string;
  readonly #leaseFile: string;
  record: DurableRecord = initialRecord;
  pair: PairFile = initialPair;
  #writtenRecord = "";
  /** One write after the other: two at once would write into the same new file. */
  #writing: Promise<void> = Promise.resolve();

  constructor(stateDirectory: string, runtimeDirectory: string) {
    this.#recordFile = join(stateDirectory, "record.json");
    this.#pairFile = join(stateDirectory, "pair.json");
    this.#leaseFile = join(runtimeDirectory, "lease");
  }

  /** @throws OperatorError when a file is there and cannot be read: starting without it could believe an old etcd. */
  async load(): Promise<void> {
    this.record = { ...initialRecord, ...(await readJson(this.#recordFile)) };
    this.#writtenRecord = JSON.stringify(this.record);
    this.pair = { ...initialPair, ...(await readJson(this.#pairFile)) };
    await mkdir(join(this.#leaseFile, ".."), { recursive: true, mode: 0o755 });
  }

  /** Kept in memory in any case: a full disk must not stop a failover. @throws Error when it is not on the disk. */
  async keep(record: DurableRecord): Promise<void> {
    this.record = record;
    const write = this.#writing.then(async () => {
      const content = JSON.stringify(this.record);
      if (content === this.#writtenRecord) return;
      await writeDurably(this.#recordFile, `${content}\n`);
      this.#writtenRecord = content;
    });
    this.#writing = write.catch(() => undefined);
    await write;
  }

  /** @throws Error when the file is at another revision, or not on the disk; then nothing is changed in memory either. */
  async keepPair(pair: PairFile, ifModRevision: number): Promise<void> {
    const now = this.pair.syncSet?.modRevision ?? 0;
    if (now !== ifModRevision) throw new Error(`the pair's file is at revision ${now}, not ${ifModRevision}`);
    await writeDurably(this.#pairFile, `${JSON.stringify(pair)}\n`);
    this.pair = pair;
  }

  async readLease(): Promise<string | undefined> {
    const text = await readFile(this.#leaseFile, "utf8").catch(() => "");
    return /^\d+$/.test(text.trim()) ? text.trim() : undefined;
  }

  async keepLease(id: string | undefined): Promise<void> {
    if (id === undefined) await rm(this.#leaseFile, { force: true });
    else await writeFile(this.#leaseFile, id, { mode: 0o600 });
  }
}

async function readJson(file: string): Promise<object> {
  const text = await readIfThere(file);
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as object;
  } catch {
    throw new OperatorError(
      `${file} is damaged. It holds what this server knows of the pair's past. Look at the other server with im-ha status; ` +
        `when you know which server has the data, remove the file, start the controller and type: im-ha reinit --leader`,
    );
  }
}
