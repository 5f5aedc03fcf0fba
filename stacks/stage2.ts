import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { adoptedEndpoints } from "../components/app/adopted-suite.ts";
import { createdEndpoints } from "../components/app/created-suite.ts";
import { PairFirewall } from "../components/balancer/pair-firewall.ts";
import { RoleBalancer } from "../components/balancer/role-balancer.ts";
import { type Certificate, Certificates } from "../components/failover/certificates.ts";
import { Controller, ControllerFiles, type ControllerSecrets } from "../components/failover/controller.ts";
import { PairGuard } from "../components/failover/pair-guard.ts";
import { VirtualIp } from "../components/failover/virtual-ip.ts";
import { type Voter, Votes } from "../components/failover/votes.ts";
import { HealthGate } from "../components/host/health-gate.ts";
import { Host } from "../components/host/host.ts";
import { HostScript } from "../components/host/host-script.ts";
import { MysqlRootLogin } from "../components/mysql/mysql-root-login.ts";
import { CopiedImages } from "../components/pair/copied-images.ts";
import { MinioReplication } from "../components/pair/minio-replication.ts";
import {
  BootsReadOnly,
  PairAccounts,
  PairEnd,
  PreparedPrimary,
  PreparedReplica,
} from "../components/pair/mysql-pair.ts";
import { ReplicaApplications, ReplicaEngines } from "../components/pair/replica-suite.ts";
import { createdNetwork, credentialsDirectory, stageLabel } from "../config/names.ts";
import { clientAddress, movedOf, pairContainer, pairOf, peersOf, servedBySuite } from "../config/pair.ts";
import type { PairServer } from "../config/pair-names.ts";
import { pairPorts } from "../config/ports.ts";
import type { Configuration } from "../config/schema.ts";
import { betweenServers } from "../config/server-schema.ts";
import { pairIsWhole, renderBeginPair, renderLeavePair, somebodyLeads } from "../templates/pair/controller-commands.ts";
import { etcdClientUrl } from "../templates/pair/etcd.ts";
import { dataServerPorts, exporterPorts, voterPorts } from "../templates/pair/firewall.ts";
import type { StackBelow } from "./stack-below.ts";
import type { StackOutputs } from "./stage1-outputs.ts";
import { watchPair } from "./stage2-monitoring.ts";
import { stage2Outputs } from "./stage2-outputs.ts";

const stage = 2;

/**
 * Stage 2: server b as the replica of server a, the votes, and a failover by itself. Additions only: it owns nothing of stage 1.
 * The order is the migration's; docs/decisions/0020-pair-plan.md says why.
 */
export function stage2(configuration: Configuration, below: StackBelow): StackOutputs {
  const pair = pairOf(configuration);
  const { servers, witness, vip } = pair;
  const { suite, redundancy } = configuration;
  const { credentials } = below;
  const moved = movedOf(configuration);
  const address = { a: betweenServers(servers.a), b: betweenServers(servers.b) };
  const peers = peersOf(pair, redundancy.allowedPeers);

  // Servers, certificates, the allow-list.
  const common = {
    backup: configuration.backup.enabled,
    aptMirror: configuration.mirrors.apt,
    registryMirrors: configuration.mirrors.docker,
    timeServers: configuration.timeServers,
  };
  const votesHere = witness.mode === "host" ? (["etcd", "etcdctl"] as const) : [];
  const dataPrograms = [
    "haproxy",
    "nft",
    "jq",
    ...(vip.mode === "keepalived" ? ["keepalived" as const] : []),
    ...votesHere,
  ] as const;
  const a = new Host("a", {
    server: servers.a,
    configPath: "im:servers.a",
    bootstrap: { ...common, installDocker: false, pair: dataPrograms },
  });
  const b = new Host("b", {
    server: servers.b,
    configPath: "im:servers.b",
    bootstrap: { ...common, installDocker: true, pair: dataPrograms },
  });
  const certificates = new Certificates("pair-certificates");
  const certificate: Record<PairServer, Certificate> = {
    a: certificates.issue("a-certificate", address.a),
    b: certificates.issue("b-certificate", address.b),
  };
  const firewallA = new PairFirewall("a-firewall", { host: a, peers, ports: dataServerPorts });
  const firewallB = new PairFirewall("b-firewall", { host: b, peers, ports: [...dataServerPorts, ...exporterPorts] });

  // Votes: a founds, b and the witness are invited.
  const voters: [Voter, ...Voter[]] = [
    { member: { name: "a", address: address.a }, host: a, certificate: certificate.a },
    { member: { name: "b", address: address.b }, host: b, certificate: certificate.b },
  ];
  let witnessHost: Host | undefined;
  const firewalls: pulumi.Resource[] = [firewallA, firewallB];
  if (witness.mode === "host") {
    witnessHost = new Host("witness", {
      server: witness,
      configPath: "im:witness",
      bootstrap: { ...common, backup: false, installDocker: false, pair: ["nft", "etcd", "etcdctl", "chronyd"] },
    });
    const at = betweenServers(witness);
    firewalls.push(new PairFirewall("witness-firewall", { host: witnessHost, peers, ports: voterPorts }));
    voters.push({
      member: { name: "witness", address: at },
      host: witnessHost,
      certificate: certificates.issue("witness-certificate", at),
    });
  }
  const votes = witness.mode === "host" ? new Votes("votes", { voters }, { dependsOn: firewalls }) : undefined;

  // Server a's MySQL gets ready to have a replica, online.
  const secret = (name: string) =>
    pulumi.secret(new random.RandomPassword(name, { length: 32, special: false }).result);
  const secrets: ControllerSecrets = {
    mysql: secret("mysql-agent-password"),
    replication: secret("mysql-replication-password"),
    redis: moved.includes("redis") && below.redisHasPassword ? credentials.redis.password : undefined,
    token: secret("failover-token"),
  };
  const filesA = new ControllerFiles("a-controller-files", { host: a, certificate: certificate.a, secrets });
  const filesB = new ControllerFiles("b-controller-files", { host: b, certificate: certificate.b, secrets });
  const rootOptionFile = `${credentialsDirectory}/mysql-root.cnf`;
  const mysqlA = { container: pairContainer(configuration, "a", "mysql"), rootOptionFile };
  const mysqlB = { container: pairContainer(configuration, "b", "mysql"), rootOptionFile };
  const primary = new PreparedPrimary(
    "a-mysql",
    { host: a, mysql: mysqlA, rerunWhen: filesA.hashes },
    { dependsOn: [filesA, firewallA, ...(votes === undefined ? [] : [votes])] },
  );

  // Server b: the images of a, and its engines, empty.
  const images = new CopiedImages(
    "b-images",
    {
      from: servers.a,
      to: servers.b,
      images: moved.map((service) => ({ service, container: pairContainer(configuration, "a", service) })),
      generation: redundancy.imagesGeneration,
    },
    { dependsOn: [a.bootstrapped, b.bootstrapped] },
  );
  const network = new docker.Network(
    "b-network",
    { name: createdNetwork, driver: "bridge", labels: [{ label: stageLabel, value: String(stage) }] },
    { provider: b.docker, dependsOn: b.bootstrapped },
  );
  const onB = { configuration, from: a, host: b, stage, network, images, credentials, moved };
  const engines = new ReplicaEngines("b-suite", { ...onB, settings: primary.settings }, { dependsOn: primary });
  const rootLogin = new MysqlRootLogin("b-mysql-root-login", { host: b, password: credentials.mysql.root });
  const replica = new PreparedReplica(
    "b-mysql-prepared",
    { host: b, mysql: mysqlB, rerunWhen: [engines.mysql.containerId, ...filesB.hashes] },
    { dependsOn: [engines, rootLogin, filesB] },
  );

  // Ports by role on both, then the controllers: a leads, b clones and follows.
  const balancer = (server: PairServer, host: Host, dependsOn: pulumi.Resource[]) => {
    const peer = server === "a" ? "b" : "a";
    const ports = Object.fromEntries(moved.map((service) => [service, suite.ports[service]]));
    const served = server === "a" ? servedBySuite(configuration) : [];
    const publicAddress = suite.mode === "create" && server === "a" ? suite.publicAddress : "127.0.0.1";
    return new RoleBalancer(
      `${server}-balancer`,
      {
        host,
        certificate: certificate[server],
        address: address[server],
        peerAddress: address[peer],
        ports: { mysql: suite.ports.mysql, ...ports },
        applicationAddress: publicAddress === "0.0.0.0" ? "127.0.0.1" : publicAddress,
        clientAddress: clientAddress(vip, servers[server]),
        forClients: moved.filter((service) => !served.includes(service)),
      },
      { dependsOn },
    );
  };
  const balancerA = balancer("a", a, [firewallA]);
  const balancerB = balancer("b", b, [firewallB, engines, balancerA]);
  const controller = (server: PairServer, host: Host, files: ControllerFiles, dependsOn: pulumi.Resource[]) => {
    const peer = server === "a" ? "b" : "a";
    const own = voters.filter(({ member }) => member.name === server);
    const endpoints = suite.mode === "create" ? createdEndpoints(suite) : adoptedEndpoints(suite);
    const backendUrl = server === "a" ? endpoints.backend?.url : `http://127.0.0.1:${suite.ports.backend}`;
    return new Controller(
      `${server}-controller`,
      {
        host,
        files,
        architecture: redundancy.architecture,
        agent: {
          server: { name: server, address: address[server] },
          peer: { name: peer, address: address[peer] },
          mysql: { container: pairContainer(configuration, server, "mysql"), port: suite.ports.mysql },
          redis: moved.includes("redis")
            ? {
                container: pairContainer(configuration, server, "redis"),
                port: suite.ports.redis,
                password: below.redisHasPassword,
              }
            : undefined,
          backendUrl: moved.includes("backend") ? `${backendUrl}/health` : undefined,
          witness,
          etcdEndpoints: [...own, ...voters.filter((one) => !own.includes(one))].map(({ member }) =>
            etcdClientUrl(member),
          ),
          vip,
          limits: redundancy.limits,
        },
      },
      { dependsOn },
    );
  };
  const controllerA = controller("a", a, filesA, [primary, balancerA, replica]);
  const begun = new HostScript(
    "pair-begins",
    { host: a, create: renderBeginPair("a"), timeoutSeconds: 180 },
    { dependsOn: controllerA },
  );
  const leads = new HealthGate(
    "pair-has-a-leader",
    { host: a, what: "a leader of the pair", check: somebodyLeads, timeoutSeconds: 60, triggers: [] },
    { dependsOn: begun },
  );
  const bootsReadOnly = new BootsReadOnly("a-mysql-boots-read-only", { host: a, mysql: mysqlA }, { dependsOn: leads });
  const controllerB = controller("b", b, filesB, [replica, balancerB, bootsReadOnly]);
  const leaves = new PairEnd("b-pair-end", { host: b, leave: renderLeavePair() }, { dependsOn: controllerB });
  const whole = new HealthGate(
    "pair-is-whole",
    {
      host: b,
      what: "server b in the sync set (its data is cloned from the leader)",
      check: pairIsWhole,
      // A clone of a large database takes its time; the controller goes on if this ends before.
      timeoutSeconds: 3600,
      triggers: [engines.mysql.containerId],
    },
    { dependsOn: [controllerB, leaves] },
  );
  const accounts = new PairAccounts(
    "b-mysql-accounts",
    { host: b, mysql: mysqlB, rerunWhen: filesB.hashes },
    { dependsOn: whole },
  );

  // The rest of the service on b, objects, and the address.
  const applications = new ReplicaApplications("b-applications", onB, { dependsOn: whole });
  const minio = moved.includes("minio")
    ? new MinioReplication(
        "a-minio-replication",
        {
          host: a,
          sites: {
            container: pairContainer(configuration, "a", "minio"),
            urls: {
              a: `http://${address.a}:${pairPorts.minioReplication}`,
              b: `http://${address.b}:${pairPorts.minioReplication}`,
            },
          },
          accessKey: credentials.minio.accessKey,
          secretKey: credentials.minio.secretKey,
        },
        { dependsOn: [engines, balancerA, balancerB] },
      )
    : undefined;
  const vips =
    vip.mode === "keepalived"
      ? (["a", "b"] as const).map(
          (server) =>
            new VirtualIp(
              `${server}-virtual-ip`,
              {
                host: server === "a" ? a : b,
                server,
                vip,
                address: address[server],
                peerAddress: address[server === "a" ? "b" : "a"],
              },
              { dependsOn: [whole, applications] },
            ),
        )
      : [];

  // Server b watched like server a, and the pair by server a's Prometheus.
  const watched = watchPair({ configuration, pair, credentials, a, b, voters: voters.map(({ member }) => member) }, [
    whole,
    ...(minio === undefined ? [] : [minio]),
  ]);

  const everything = [
    ...watched,
    ...firewalls,
    ...[votes, minio].filter((one) => one !== undefined),
    ...[filesA, filesB, primary, images, network, engines, rootLogin, replica, balancerA, balancerB],
    ...[controllerA, begun, leads, bootsReadOnly, controllerB, leaves, whole, accounts, applications],
    ...vips,
  ];
  new PairGuard("pair-guard", { host: a, laterStage: ["/etc/im-suite/stage3"], guards: everything });

  return stage2Outputs({ configuration, pair, below, hosts: { a, b, witness: witnessHost }, secrets });
}
