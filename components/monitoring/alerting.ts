import * as pulumi from "@pulumi/pulumi";
import type { AlertCredentials, AlertsConfiguration } from "../../config/alerts-schema.ts";
import { configurationDirectory, monitoringContainers } from "../../config/names.ts";
import { ownPorts } from "../../config/ports.ts";
import { hostPort } from "../../lib/host-port.ts";
import { quote, script } from "../../lib/shell.ts";
import type { AlertRuleOptions } from "../../templates/alert-rules/rule.ts";
import { alertRuleGroups, renderAlertRules } from "../../templates/alert-rules.ts";
import { type RobotKind, renderAlertmanagerConfig } from "../../templates/alertmanager.ts";
import { HealthGate } from "../host/health-gate.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { HostScript } from "../host/host-script.ts";
import { ManagedContainer } from "../host/managed-container.ts";
import { MonitoringData } from "./monitoring-data.ts";

export interface AlertingArgs {
  readonly host: Host;
  readonly stage: number;
  /** Alertmanager's. */
  readonly image: string;
  readonly listenAddress: string;
  readonly memoryMiB: number;
  /** Port of the Prometheus that evaluates the rules; it runs before this component begins. */
  readonly prometheusPort: number;
  readonly rules: AlertRuleOptions;
  readonly alerts: AlertsConfiguration;
  readonly credentials: AlertCredentials;
}

/** nobody in the official images. */
const user = "65534:65534";
const secretsInContainer = "/etc/alertmanager-secrets";

/** The alert rules in our Prometheus, and the Alertmanager that brings them to people. */
export class Alerting extends pulumi.ComponentResource {
  constructor(name: string, args: AlertingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:Alerting", name, {}, opts);
    this.#rules(name, args);
    this.#alertmanager(name, args);
    this.registerOutputs({});
  }

  #rules(name: string, args: AlertingArgs): void {
    const path = `${configurationDirectory}/prometheus/rules.d/im-suite.yml`;
    const prometheus = `http://${hostPort(args.listenAddress, args.prometheusPort)}`;
    const groups = alertRuleGroups(args.rules).map((group) => group.name);
    // A reload that succeeded says that the files are sound; the question afterwards, that these groups are among them.
    const applied = groups.map((group) => `grep -q '"name":"${group}"' <<<"$rules"`).join(" && ");
    new HostFile(
      `${name}-rules`,
      {
        host: args.host,
        path,
        content: renderAlertRules(args.rules),
        validate: [
          "bash",
          "-c",
          `docker exec --interactive ${monitoringContainers.prometheus} promtool check rules <"$1"`,
          "validate",
        ],
        reload: [
          "bash",
          "-c",
          `curl --silent --show-error --fail --max-time 20 --request POST ${prometheus}/-/reload && if [ -e ${quote(path)} ]; then rules=$(curl --silent --fail --max-time 10 ${prometheus}/api/v1/rules) && ${applied}; fi`,
        ],
      },
      { parent: this },
    );
  }

  #alertmanager(name: string, args: AlertingArgs): void {
    const { host, alerts, credentials } = args;
    const directory = `${configurationDirectory}/alertmanager`;
    const secretsDirectory = `${configurationDirectory}/alertmanager-secrets`;
    const listen = hostPort(args.listenAddress, ownPorts.alertmanager);
    const container = monitoringContainers.alertmanager;
    const folders = new HostScript(
      `${name}-folders`,
      {
        host,
        // Mounted even when there is no secret yet: a later one must not need a restart.
        create: script(
          `mkdir -p -m 0755 -- ${quote(configurationDirectory)} ${quote(directory)} ${quote(secretsDirectory)}`,
        ),
        delete: script(
          `rmdir --ignore-fail-on-non-empty -- ${quote(directory)} ${quote(secretsDirectory)} ${quote(configurationDirectory)} 2>/dev/null || :`,
        ),
      },
      { parent: this },
    );
    const secretFiles: HostFile[] = [];
    /** Writes one secret, when there is one. @returns where Alertmanager finds it. */
    const secretFile = (fileName: string, content: string | undefined): string | undefined => {
      if (content === undefined) return undefined;
      const file = new HostFile(
        `${name}-${fileName}-credentials`,
        {
          host,
          path: `${secretsDirectory}/${fileName}`,
          content,
          secret: true,
          mode: "0400",
          owner: user,
          keepDirectory: true,
        },
        { parent: this, dependsOn: folders },
      );
      secretFiles.push(file);
      return `${secretsInContainer}/${fileName}`;
    };
    const passwordFile = secretFile("mail-password", credentials.mailPassword);
    const webhookFiles = Object.fromEntries(
      Object.entries(credentials.webhooks).map(([key, url]) => [key, secretFile(`webhook-${key}`, url) as string]),
    );
    const robotUrls: Readonly<Record<RobotKind, string | undefined>> = {
      wecom: credentials.wecomRobotUrl,
      dingtalk: credentials.dingtalkRobotUrl,
      feishu: credentials.feishuRobotUrl,
    };
    const robotFiles = Object.fromEntries(
      (Object.entries(robotUrls) as [RobotKind, string | undefined][]).flatMap(([kind, url]) => {
        const file = secretFile(`${kind}-robot`, url);
        return file === undefined ? [] : [[kind, file]];
      }),
    );
    const deadMansSwitchFile = secretFile("dead-mans-switch", credentials.deadMansSwitchUrl);
    // Before the first start there is nobody to ask and nobody to tell: then the health gate is the check.
    const whenRunning = (command: string) =>
      `if [ "$(docker inspect --format '{{.State.Running}}' ${container} 2>/dev/null)" = true ]; then ${command}; fi`;
    const configuration = new HostFile(
      `${name}-configuration`,
      {
        host,
        path: `${directory}/alertmanager.yml`,
        content: renderAlertmanagerConfig({
          mail: alerts.mail && { ...alerts.mail, passwordFile },
          webhookFiles,
          robotFiles,
          deadMansSwitchFile,
          repeatHours: alerts.repeatHours,
        }),
        validate: [
          "bash",
          "-c",
          whenRunning(`docker exec --interactive ${container} amtool check-config <"$1"`),
          "validate",
        ],
        reload: [
          "bash",
          "-c",
          whenRunning(`curl --silent --show-error --fail --max-time 20 --request POST http://${listen}/-/reload`),
        ],
      },
      { parent: this, dependsOn: [folders, ...secretFiles] },
    );
    const data = new MonitoringData(`${name}-data`, { host, service: "alertmanager", owner: user }, { parent: this });
    const managed = new ManagedContainer(
      `${name}-alertmanager`,
      {
        host,
        containerName: container,
        image: args.image,
        stage: args.stage,
        network: "host",
        user,
        command: [
          "--config.file=/etc/alertmanager/alertmanager.yml",
          "--storage.path=/alertmanager",
          `--web.listen-address=${listen}`,
          // Unsaid, it waits for other Alertmanagers on every address of the server.
          "--cluster.listen-address=",
          // What was sent is remembered longer than the longest im:alerts.repeatHours, a week: what is forgotten is sent again.
          "--data.retention=192h",
        ],
        mounts: [
          { source: directory, target: "/etc/alertmanager", readOnly: true },
          { source: secretsDirectory, target: secretsInContainer, readOnly: true },
          { source: data.path, target: "/alertmanager", readOnly: false },
        ],
        memoryMiB: args.memoryMiB,
        stopGraceSeconds: 10,
      },
      { parent: this, dependsOn: [configuration, data] },
    );
    new HealthGate(
      `${name}-alertmanager-answers`,
      {
        host,
        what: container,
        check: `curl --silent --fail --max-time 5 --output /dev/null http://${listen}/-/ready`,
        timeoutSeconds: 60,
        triggers: [managed.containerId],
      },
      { parent: this, dependsOn: managed },
    );
  }
}
