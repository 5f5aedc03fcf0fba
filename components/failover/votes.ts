import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { failoverCredentials } from "../../config/failover.ts";
import { etcdPaths, pairUnits } from "../../config/pair-names.ts";
import {
  type EtcdMember,
  etcdHealthCheck,
  renderEtcdAccounts,
  renderEtcdEnvironment,
  renderFoundCluster,
  renderInvite,
  renderJoin,
  renderRemoveMember,
} from "../../templates/pair/etcd.ts";
import { renderEtcdUnit } from "../../templates/pair/units.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import type { Certificate } from "./certificates.ts";

/** The prefix of all keys: it is what the controllers' account may use. */
export const etcdPrefix = "/im-suite/";

export interface Voter {
  readonly member: EtcdMember;
  readonly host: Host;
  readonly certificate: Certificate;
}

export interface VotesArgs {
  /** The first founds the cluster; each of the others is invited when the one before votes. */
  readonly voters: readonly [Voter, ...Voter[]];
}

/** etcd on the two data servers and the witness: TLS both ways, accounts, one member after the other. */
export class Votes extends pulumi.ComponentResource {
  /** Password of the controllers' account. */
  readonly agentPassword: pulumi.Output<string>;
  /** Passed when all members are healthy. */
  readonly healthy: pulumi.Resource;

  constructor(name: string, args: VotesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:Votes", name, {}, opts);
    const [first, ...others] = args.voters;
    const password = (account: string) =>
      pulumi.secret(
        new random.RandomPassword(`${name}-${account}-password`, { length: 32, special: false }, { parent: this })
          .result,
      );
    this.agentPassword = password("agent");
    const rootPassword = password("root");

    let before: pulumi.Resource = this.#member(
      name,
      first,
      (files, rerunWhen) =>
        new HostScript(
          `${first.member.name}-${name}-member`,
          {
            host: first.host,
            create: renderFoundCluster(first.member),
            delete: renderRemoveMember(),
            rerunWhen,
            timeoutSeconds: 240,
          },
          { parent: this, dependsOn: files },
        ),
    );
    for (const voter of others) {
      const previous = before;
      before = this.#member(name, voter, (files, rerunWhen) => {
        const invitation = new HostScript(
          `${voter.member.name}-${name}-invitation`,
          { host: first.host, create: renderInvite(first.member, voter.member), timeoutSeconds: 240 },
          { parent: this, dependsOn: [...files, previous] },
        );
        return new HostScript(
          `${voter.member.name}-${name}-member`,
          {
            host: voter.host,
            create: renderJoin(voter.member),
            delete: renderRemoveMember(),
            stdin: pulumi.interpolate`${invitation.stdout}\n`,
            rerunWhen,
            timeoutSeconds: 240,
          },
          { parent: this, dependsOn: invitation },
        );
      });
    }
    const rootFile = new HostFile(
      `${first.member.name}-${name}-root-password-file`,
      {
        host: first.host,
        path: etcdPaths.rootPassword,
        content: rootPassword,
        secret: true,
        mode: "0400",
        directoryMode: "0700",
      },
      { parent: this },
    );
    const agentFiles = args.voters
      .filter(({ member }) => member.name !== "witness")
      .map(
        ({ member, host }) =>
          new HostFile(
            `${member.name}-${name}-agent-password-file`,
            {
              host,
              path: failoverCredentials.etcd,
              content: this.agentPassword,
              secret: true,
              mode: "0400",
              directoryMode: "0700",
            },
            { parent: this },
          ),
      );
    const accounts = new HostScript(
      `${name}-accounts`,
      {
        host: first.host,
        create: renderEtcdAccounts(first.member, etcdPrefix),
        rerunWhen: [rootFile.sha256, ...agentFiles.map((file) => file.sha256)],
      },
      { parent: this, dependsOn: [before, rootFile, ...agentFiles] },
    );
    this.healthy = new HealthGate(
      `${name}-healthy`,
      {
        host: first.host,
        what: "etcd on every voter",
        check: etcdHealthCheck(args.voters.map(({ member }) => member)),
        timeoutSeconds: 90,
        triggers: args.voters.map(({ member }) => `${member.name}=${member.address}`),
      },
      { parent: this, dependsOn: accounts },
    );
    this.registerOutputs({});
  }

  #member(
    name: string,
    { member, host, certificate }: Voter,
    start: (files: pulumi.Resource[], rerunWhen: pulumi.Input<string>[]) => HostScript,
  ): pulumi.Resource {
    const prefix = `${member.name}-${name}`;
    const file = (part: string, path: string, content: pulumi.Input<string>, secret: boolean) =>
      new HostFile(
        `${prefix}-${part}`,
        // root writes, etcd reads: the package's user owns nothing of its configuration.
        { host, path, content, secret, mode: "0640", owner: "root:etcd", directoryMode: "0755" },
        { parent: this },
      );
    const files = [
      file("authority", etcdPaths.certificateAuthority, certificate.authority, false),
      file("certificate", etcdPaths.certificate, certificate.certificate, false),
      file("key", etcdPaths.key, certificate.key, true),
      file("environment", etcdPaths.environment, renderEtcdEnvironment(member), false),
    ];
    const unit = new HostFile(
      `${prefix}-unit`,
      {
        host,
        path: `/etc/systemd/system/${pairUnits.etcd}`,
        content: renderEtcdUnit(),
        reload: ["systemctl", "daemon-reload"],
      },
      { parent: this },
    );
    host.inventory.addUnit(pairUnits.etcd);
    return start(
      [...files, unit],
      [...files, unit].map((one) => one.sha256),
    );
  }
}
