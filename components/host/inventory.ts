import * as pulumi from "@pulumi/pulumi";

/** A file as `doctor` looks for it. Without a hash for a secret file: a weak password could be guessed from one. */
export interface InventoryFile {
  readonly path: string;
  readonly mode: string;
  /** user:group, by name or number. */
  readonly owner: string;
  readonly sha256?: pulumi.Input<string>;
}

/**
 * What the stacks put on one server, collected while the components are made. It becomes a stack output, from which `doctor`
 * finds drift without reading the state.
 */
export class Inventory {
  readonly #files: InventoryFile[] = [];
  readonly #units: string[] = [];
  readonly #containers: string[] = [];
  readonly #mysqlAccounts: string[] = [];

  addFile(file: InventoryFile): void {
    this.#files.push(file);
  }

  /** A systemd unit that must be active. */
  addUnit(name: string): void {
    this.#units.push(name);
  }

  /** A container that must run. */
  addContainer(name: string): void {
    this.#containers.push(name);
  }

  /** A MySQL account, as user@host. */
  addMysqlAccount(account: string): void {
    this.#mysqlAccounts.push(account);
  }

  toOutput(): pulumi.Output<unknown> {
    return pulumi.output({
      files: this.#files,
      units: this.#units,
      containers: this.#containers,
      mysqlAccounts: this.#mysqlAccounts,
    });
  }
}
