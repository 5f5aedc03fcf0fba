import * as pulumi from "@pulumi/pulumi";
import { programDirectory } from "../../config/names.ts";
import {
  containerMetrics,
  renderContainerMetrics,
  renderContainerMetricsService,
  renderContainerMetricsTimer,
} from "../../templates/container-metrics.ts";
import type { SuiteEndpoints } from "../app/suite-endpoints.ts";
import type { Host } from "../host/host.ts";
import { HostFile } from "../host/host-file.ts";
import { SystemdTimer } from "../host/systemd-timer.ts";

export interface ContainerMetricsArgs {
  readonly host: Host;
  /** Its containers are watched by name, so that one that was removed is seen to be missing. */
  readonly suite: SuiteEndpoints;
}

/** State, memory and processor time of the suite's containers and of ours, every minute, for node_exporter. It only reads. */
export class ContainerMetrics extends pulumi.ComponentResource {
  constructor(name: string, args: ContainerMetricsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:monitoring:ContainerMetrics", name, {}, opts);
    const { host, suite } = args;
    const program = new HostFile(
      `${name}-program`,
      {
        host,
        path: `${programDirectory}/container-metrics`,
        mode: "0755",
        content: renderContainerMetrics(Object.values(suite).map((service) => service.container)),
        validate: ["bash", "-n"],
      },
      { parent: this },
    );
    new SystemdTimer(
      name,
      {
        host,
        unitName: "im-container-metrics",
        service: renderContainerMetricsService(program.path),
        timer: renderContainerMetricsTimer(),
        writes: [containerMetrics, `${containerMetrics}.partial`],
      },
      { parent: this, dependsOn: program },
    );
    this.registerOutputs({});
  }
}
