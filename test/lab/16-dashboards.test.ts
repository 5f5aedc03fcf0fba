import { beforeAll, describe, expect, it } from "vitest";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import { quote } from "../../lib/shell.ts";
import { dashboardAnswers } from "../support/dashboard-answers.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";

// On the adopted suite, with live traffic on it, after the backup and the restore test have run.

const prometheus = "http://127.0.0.1:9091";
const ask = async (path: string) => JSON.parse(await printed("a", `curl -s --max-time 20 ${quote(prometheus + path)}`));

beforeAll(async () => await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]));

describe("container metrics", () => {
  it("say of every container of the suite and of ours what Docker says", async () => {
    await onServer("a", "systemctl start im-container-metrics.service");
    const inspected = await printed("a", "docker ps --all --format '{{.Names}} {{.State}}' | grep -E '^im-' | sort");
    const expected = inspected.split("\n").map((line) => {
      const [name, state] = line.split(" ");
      return `${name} ${state === "running" ? 1 : 0}`;
    });
    expect(expected).toEqual(expect.arrayContaining(["im-mysql-prod 1", "im-node-exporter 1"]));
    await eventually(40, async () => {
      const { data } = await ask("/api/v1/query?query=im_container_running");
      const found = data.result.map(
        (one: { metric: { name: string }; value: [number, string] }) => `${one.metric.name} ${one.value[1]}`,
      );
      expect(found.filter((one: string) => !one.startsWith("im-grafana-prod")).sort()).toEqual(expected);
    });
  });

  it("cost less than half a per cent of a processor, and come by a timer", async () => {
    expect(await printed("a", "systemctl is-active im-container-metrics.timer")).toBe("active");
    const seconds = Number(
      await printed(
        "a",
        `for i in 1 2 3 4 5; do /var/lib/im-suite/bin/container-metrics; done; awk '{ printf "%.3f", ($16 + $17) / 5 / '"$(getconf CLK_TCK)"' }' /proc/$$/stat`,
      ),
    );
    console.log(`container metrics: ${seconds} s of processor time a run`);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(0.3);
  });
});

describe("MinIO's own metrics", () => {
  it("are read by our Prometheus from the suite's MinIO, which was not restarted for it", async () => {
    await eventually(40, async () => {
      const { data } = await ask("/api/v1/query?query=minio_cluster_health_status");
      expect(data.result.map((one: { value: [number, string] }) => one.value[1])).toEqual(["1"]);
    });
    expect(await printed("a", "docker inspect --format '{{.RestartCount}}' im-minio-prod")).toBe("0");
  });
});

describe("dashboards", () => {
  it("show something in every panel, from metrics that this Prometheus has", async () => {
    let excused: string[] = [];
    // Rates need two samples, and MinIO's and the containers' come late.
    await eventually(150, async () => {
      const answers = await dashboardAnswers(ask);
      excused = answers.excused;
      expect(answers.faults).toEqual([]);
    });
    console.log(`empty, and allowed to be:\n${excused.join("\n")}`);
  });
});
