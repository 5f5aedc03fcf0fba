import { beforeAll, describe, expect, it } from "vitest";
import { adoptStack } from "../../lab/ensure-lab.ts";
import { onServer } from "../../lab/servers.ts";
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
