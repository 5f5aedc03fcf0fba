import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labPulumi } from "../../engine/lab-pulumi.ts";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
import { backupsOf } from "../support/backup.ts";
import { dashboardAnswers, prometheusOn } from "../support/dashboard-answers.ts";
import { eventually, printed, pulumiOk } from "../support/lab.ts";

// On the adopted suite, with live traffic on it, after the backup and the restore test have run.

const prometheus = prometheusOn("a", "http://127.0.0.1:9091");

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

async function query(expr: string): Promise<readonly Sample[]> {
  const [answer] = await prometheus([`/api/v1/query?query=${encodeURIComponent(expr)}`]);
  return (answer as { data: { result: Sample[] } }).data.result;
}

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
      const found = (await query("im_container_running")).map(({ metric, value }) => `${metric["name"]} ${value[1]}`);
      // One that was never there is said to be down, which is right, and Docker does not list it.
      const listed = expected.map((line) => line.split(" ")[0]);
      expect(found.filter((line) => listed.includes(line.split(" ")[0])).sort()).toEqual(expected);
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
      expect((await query("minio_cluster_health_status")).map(({ value }) => value[1])).toEqual(["1"]);
    });
    expect(await printed("a", "docker inspect --format '{{.RestartCount}}' im-minio-prod")).toBe("0");
  });
});

describe("dashboards", () => {
  // A destroy in another file takes the metrics of the last restore test away.
  beforeAll(async () => {
    const { start, log } = backupsOf("a");
    for (const unit of ["im-backup.service", "im-restore-test.service"]) expect(await start(unit), await log()).toBe(0);
  });

  it("show something in every panel, from metrics that this Prometheus has", async () => {
    let excused: string[] = [];
    // Rates need two samples, and MinIO's and the containers' come late.
    await eventually(150, async () => {
      const answers = await dashboardAnswers(prometheus);
      excused = answers.excused;
      expect(answers.faults).toEqual([]);
    });
    console.log(`empty, and allowed to be:\n${excused.join("\n")}`);
  });
});

describe("an operator's own Grafana, in a container of the suite", () => {
  // As docs/runbooks/dashboards.md says. MinIO's container stands in for Grafana's, which the lab cannot have: it is in the same network.
  afterAll(async () => {
    await labPulumi(["config", "rm", "--path", "im:monitoring.listenAddress", "-s", adoptStack]);
    await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
  });

  it("reaches our Prometheus after im:monitoring.listenAddress was set, and nobody else does", async () => {
    const gateway = await printed(
      "a",
      "docker inspect --format '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}' im-minio-prod",
    );
    const from = (address: string) =>
      onServer("a", `docker exec im-minio-prod curl --silent --fail --max-time 5 http://${address}:9091/-/ready`, {
        allowFailure: true,
      });
    expect((await from(gateway)).exitCode).not.toBe(0);
    const running = "docker inspect --format '{{.Id}} {{.State.StartedAt}}' im-mysql-prod im-redis-prod im-minio-prod";
    const before = await printed("a", running);
    const set = await labPulumi(["config", "set", "--path", "im:monitoring.listenAddress", gateway, "-s", adoptStack]);
    expect(set.exitCode, set.stderr).toBe(0);
    await pulumiOk(["up", "--yes", "--skip-preview", "-s", adoptStack]);
    expect((await from(gateway)).stdout).toContain("Ready");
    expect(await printed("a", running)).toBe(before);
    expect(await printed("a", "ss -Hltn | awk '{print $4}' | grep -E ':(9091|9093|9100|9104|9115|9121)$' | sort")).toBe(
      [9091, 9093, 9100, 9104, 9115, 9121].map((port) => `${gateway}:${port}`).join("\n"),
    );
    await eventually(60, async () => {
      const [answer] = await prometheusOn("a", `http://${gateway}:9091`)(["/api/v1/query?query=up%20%3D%3D%201"]);
      const jobs = (answer as { data: { result: Sample[] } }).data.result.map(({ metric }) => metric["job"]);
      expect(jobs).toEqual(expect.arrayContaining(["node", "mysql", "redis", "minio", "alertmanager"]));
    });
  });
});
