import type { ServerStatus, Status } from "../http/status.ts";

/** 0: someone leads and both servers have everything. 2: someone leads. 3: nobody does. */
export function exitCodeOf(status: Status): number {
  if (status.leader === undefined) return 3;
  return status.members.length === 2 ? 0 : 2;
}

/** The status as a page for people: one sentence, a table of the two servers, what is unusual, and what happened last. */
export function renderStatus(status: Status, now: Date): string {
  const servers = [...status.servers].sort((one, other) => one.name.localeCompare(other.name));
  const lines = [headline(status), ""];
  lines.push(
    ...table([
      ["", ...servers.map((server) => `server ${server.name}`)],
      ["address", ...servers.map((server) => server.address)],
      ["leads", ...servers.map((server) => (status.leader === server.name ? "yes" : "no"))],
      ["has everything", ...servers.map((server) => (status.members.includes(server.name) ? "yes" : "no"))],
      ["MySQL", ...servers.map(mysql)],
      ["replication", ...servers.map(replication)],
      ["commits wait", ...servers.map(semiSync)],
      ["Redis", ...servers.map(redis)],
      ["backend", ...servers.map((server) => server.backend)],
    ]),
    "",
    `epoch ${status.epoch}; this is server ${status.server}, for others "${status.role}": ${status.because}`,
  );
  const remarks = unusual(status);
  if (remarks.length > 0) lines.push("", ...remarks.map((remark) => `! ${remark}`));
  const newest = status.events.slice(-8);
  if (newest.length > 0) {
    lines.push("", "last events");
    for (const event of newest) {
      const seconds = Math.max(0, Math.round((now.getTime() - Date.parse(event.time)) / 1000));
      const { time: _time, server: _server, event: name, ...details } = event;
      lines.push(`  ${String(seconds).padStart(6)} s ago  ${name}  ${brief(details)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function headline(status: Status): string {
  if (status.leader === undefined) return "NOBODY LEADS: no writes are taken.";
  const other = status.servers.find((server) => server.name !== status.leader)?.name ?? "";
  if (status.members.length === 2)
    return `Server ${status.leader} leads, and server ${other} has every acknowledged write.`;
  return `Server ${status.leader} leads ALONE: server ${other} is not ready to take over.`;
}

function unusual(status: Status): readonly string[] {
  const remarks: string[] = [];
  if (status.maintenance) remarks.push("maintenance: nobody is promoted or demoted. Back to normal: im-ha resume");
  if (status.handover !== undefined) remarks.push(`a switchover to server ${status.handover} is under way`);
  if (status.votes === "away") {
    remarks.push(
      `etcd has not answered for ${Math.round(status.votesAwayMilliseconds / 1000)} s: nobody can be promoted`,
    );
  }
  if (status.acceptedLoss !== undefined) remarks.push(`promoted without these transactions: ${status.acceptedLoss}`);
  for (const server of status.servers) {
    if (server.database === undefined) remarks.push(`the controller of server ${server.name} does not answer`);
    if (server.cloning) remarks.push(`server ${server.name} is being copied anew from the leader`);
    const clients = server.database?.semiSync?.clients ?? 0;
    if (clients > 1)
      remarks.push(`server ${server.name}: ${clients} receivers acknowledge, and one of them is not the other server`);
  }
  if (status.receiverError !== undefined) remarks.push(`receiver here: ${status.receiverError}`);
  if (status.applierError !== undefined) remarks.push(`applier here: ${status.applierError}`);
  if (status.lookAgeMilliseconds > 5000) {
    remarks.push(
      `the controller has not looked for ${Math.round(status.lookAgeMilliseconds / 1000)} s: what is above is old`,
    );
  }
  return remarks;
}

function mysql({ database }: ServerStatus): string {
  return database === undefined ? "?" : database.state;
}

function replication({ database }: ServerStatus): string {
  const state = database?.replication;
  if (state === undefined) return "-";
  return `from ${state.source}: ${state.receiver}, applier ${state.applier}, lag ${(state.lagMilliseconds / 1000).toFixed(1)} s`;
}

function semiSync({ database }: ServerStatus): string {
  const state = database?.semiSync;
  if (state === undefined || !state.enabled) return "no";
  return `${state.active ? "for" : "NOT REALLY, for"} ${state.clients} receiver${state.clients === 1 ? "" : "s"}`;
}

function redis({ redis: state }: ServerStatus): string {
  if (state === undefined) return "-";
  if (typeof state === "string") return state;
  if (state.source === undefined)
    return state.assigned === "leader" ? "leader" : `alone (${state.assigned ?? "no role yet"})`;
  return `from ${state.source}: ${state.link}`;
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function brief(details: Readonly<Record<string, unknown>>): string {
  const text = Object.entries(details)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  return text.length > 150 ? `${text.slice(0, 147)}...` : text;
}
