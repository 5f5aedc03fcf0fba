import { undoDirectory } from "../../config/names.ts";
import { pairPaths } from "../../config/pair-names.ts";
import { quote, script } from "../../lib/shell.ts";

const key = "net.ipv4.ip_nonlocal_bind";
const undo = `${undoDirectory}/${key}`;
/** Not by the program sysctl, which a small server may lack. */
const file = `/proc/sys/${key.replaceAll(".", "/")}`;

/** Lets HAProxy listen on the virtual IP while the other server holds it: it must not start in the middle of a failover. */
export function renderNonlocalBind(): string {
  return script(
    `if [ ! -e ${quote(undo)} ]; then mkdir -p -m 0700 -- ${quote(undoDirectory)}; cat ${file} >${quote(undo)}; fi`,
    `printf '%s = 1\\n' ${key} >${quote(pairPaths.nonlocalBind)}`,
    `chmod 0644 -- ${quote(pairPaths.nonlocalBind)}`,
    `echo 1 >${file}`,
  );
}

export function renderNonlocalBindUndo(): string {
  return script(
    `rm -f -- ${quote(pairPaths.nonlocalBind)}`,
    `if [ -e ${quote(undo)} ]; then cat -- ${quote(undo)} >${file} || :; rm -f -- ${quote(undo)}; fi`,
  );
}
