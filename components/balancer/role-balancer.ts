import { dirname } from "node:path/posix";
import * as pulumi from "@pulumi/pulumi";
import { pairPaths, pairUnits } from "../../config/pair-names.ts";
import { quote, script } from "../../lib/shell.ts";
import { type HaproxyOptions, renderHaproxyConfig } from "../../templates/pair/haproxy.ts";
import { renderNonlocalBind, renderNonlocalBindUndo } from "../../templates/pair/nonlocal-bind.ts";
import { renderHaproxyUnit } from "../../templates/pair/units.ts";
import type { Certificate } from "../failover/certificates.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { SystemdService } from "../host/systemd-service.ts";

export interface RoleBalancerArgs extends Omit<HaproxyOptions, "certificateAuthority"> {
  readonly host: Host;
  readonly certificate: Pick<Certificate, "authority">;
}

/** HAProxy of one data server: ports for replication, and ports by role. */
export class RoleBalancer extends pulumi.ComponentResource {
  constructor(name: string, args: RoleBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:balancer:RoleBalancer", name, {}, opts);
    const { host, certificate, ...options } = args;
    const authorityPath = `${dirname(pairPaths.haproxy)}/ca.crt`;
    const authority = new HostFile(
      `${name}-authority`,
      { host, path: authorityPath, content: certificate.authority },
      { parent: this },
    );
    const folder = new HostScript(
      `${name}-folder`,
      {
        host,
        create: script(`mkdir -p -m 0755 -- ${quote(pairPaths.haproxyAdded)}`),
        delete: script(
          `rmdir --parents --ignore-fail-on-non-empty -- ${quote(pairPaths.haproxyAdded)} 2>/dev/null || :`,
        ),
      },
      { parent: this },
    );
    const nonlocalBind = new HostScript(
      `${name}-nonlocal-bind`,
      { host, create: renderNonlocalBind(), delete: renderNonlocalBindUndo() },
      { parent: this },
    );
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: pairPaths.haproxy,
        content: renderHaproxyConfig({ ...options, certificateAuthority: authorityPath }),
        validate: ["haproxy", "-c", "-q", "-f"],
      },
      { parent: this, dependsOn: [authority, folder] },
    );
    new SystemdService(
      name,
      {
        host,
        unitName: pairUnits.haproxy,
        unit: renderHaproxyUnit(),
        rerunWhen: [configuration.sha256, authority.sha256],
        onChange: "reload",
      },
      { parent: this, dependsOn: [configuration, nonlocalBind] },
    );
    this.registerOutputs({});
  }
}
