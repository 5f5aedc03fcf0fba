import * as pulumi from "@pulumi/pulumi";
import { configurationDirectory, monitoringContainers, programDirectory } from "../../config/names.ts";
import { hostPort } from "../../lib/host-port.ts";
import { quote } from "../../lib/shell.ts";
import { type PairRuleOptions, pairRuleGroups } from "../../templates/alert-rules/pair.ts";
import { renderRuleGroups } from "../../templates/alert-rules.ts";
import { pairDashboardFiles } from "../../templates/grafana/dashboards.ts";
import {
  type PairMetricsOptions,
  pairMetricsFile,
  pairMetricsUnit,
  renderPairMetrics,
  renderPairMetricsService,
  renderPairMetricsTimer,
} from "../../templates/pair/pair-metrics.ts";
import { type PairTargets, renderPairTargets } from "../../templates/pair/targets.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { SystemdTimer } from "../host/systemd-timer.ts";

export interface PairMetricsArgs extends PairMetricsOptions {
  readonly host: Host;
}

/** A program every minute on a data server: its images, and MinIO's replication. */
export class PairMetrics extends pulumi.ComponentResource {
  constructor(name: string, args: PairMetricsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:PairMetrics", name, {}, opts);
    const { host, ...options } = args;
    const program = new HostFile(
      `${name}-program`,
      {
        host,
        path: `${programDirectory}/${pairMetricsUnit}`,
        mode: "0755",
        content: renderPairMetrics(options),
        validate: ["bash", "-n"],
      },
      { parent: this },
    );
    new SystemdTimer(
      name,
      {
        host,
        unitName: pairMetricsUnit,
        service: renderPairMetricsService(program.path),
        timer: renderPairMetricsTimer(),
        writes: [pairMetricsFile, `${pairMetricsFile}.partial`],
      },
      { parent: this, dependsOn: program },
    );
    this.registerOutputs({});
  }
}

export interface PairMonitoringArgs {
  /** Server A, whose Prometheus watches both. */
  readonly host: Host;
  readonly listenAddress: string;
  readonly prometheusPort: number;
  readonly targets: PairTargets;
  readonly rules: PairRuleOptions;
  /** A created suite's Grafana gets the pair's dashboard. */
  readonly grafana: boolean;
}

/** What server A's Prometheus watches of the pair, and which alerts it has for it: files in the directories that stage 1 left for it. */
export class PairMonitoring extends pulumi.ComponentResource {
  constructor(name: string, args: PairMonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:PairMonitoring", name, {}, opts);
    const { host } = args;
    const directory = `${configurationDirectory}/prometheus`;
    const path = `${directory}/rules.d/im-pair.yml`;
    const prometheus = `http://${hostPort(args.listenAddress, args.prometheusPort)}`;
    const groups = pairRuleGroups(args.rules);
    const applied = groups.map((group) => `grep -q '"name":"${group.name}"' <<<"$rules"`).join(" && ");
    // Prometheus looks at the folder of targets by itself.
    const targets = new HostFile(
      `${name}-targets`,
      { host, path: `${directory}/targets.d/im-pair.yml`, content: renderPairTargets(args.targets) },
      { parent: this },
    );
    new HostFile(
      `${name}-rules`,
      {
        host,
        path,
        content: renderRuleGroups(groups, "templates/alert-rules/pair.ts"),
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
      { parent: this, dependsOn: targets },
    );
    if (args.grafana) {
      for (const [fileName, content] of pairDashboardFiles()) {
        new HostFile(
          `${name}-${fileName.replace(".json", "")}`,
          { host, path: `${configurationDirectory}/grafana/dashboards/json/${fileName}`, content },
          { parent: this },
        );
      }
    }
    this.registerOutputs({});
  }
}
