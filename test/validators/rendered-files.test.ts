import { describe, expect, it } from "vitest";
import { onServer } from "../../lab/servers.ts";
import { quote } from "../../lib/shell.ts";
import { renderBlackboxConfig } from "../../templates/blackbox-exporter.ts";
import { renderHealthCheckService, renderHealthCheckTimer } from "../../templates/health-check.ts";
import { renderLogrotate } from "../../templates/logrotate.ts";
import { renderMysqlConfig } from "../../templates/mysql-config.ts";
import { renderMysqlOptionFile } from "../../templates/mysql-option-file.ts";
import { renderPrometheusConfig } from "../../templates/prometheus.ts";
import { renderRedisConfig } from "../../templates/redis-config.ts";
import { scrapeJobs } from "../../templates/scrape-jobs.ts";
import { inImage, text } from "../support/in-image.ts";

describe("the real programs accept what we render, and refuse it when it is broken", () => {
  const prometheus = renderPrometheusConfig({
    server: "a",
    alertmanager: "127.0.0.1:9093",
    jobs: scrapeJobs({
      listenAddress: "127.0.0.1",
      prometheusPort: 9091,
      redis: true,
      minioUrl: "http://127.0.0.1:9000",
      minioToken: "minio-token",
      backendUrl: "http://127.0.0.1:8080",
      adminUrl: "http://127.0.0.1:3001",
      backendMetricsPath: "/metrics",
      tlsEndpoints: ["api.example.com:443"],
    }),
  });

  it("Prometheus (promtool)", async () => {
    const check = ["check", "config", "--syntax-only", "/check/prometheus.yml"];
    const good = await inImage("prometheus", "promtool", check, { "prometheus.yml": prometheus });
    expect(good.exitCode, text(good)).toBe(0);
    const bad = await inImage("prometheus", "promtool", check, {
      "prometheus.yml": prometheus.replace("scrape_interval", "scrape_intervall"),
    });
    expect(bad.exitCode).not.toBe(0);
  });

  it("blackbox exporter", async () => {
    const check = ["--config.check", "--config.file=/check/blackbox.yml"];
    const good = await inImage("blackboxExporter", "/bin/blackbox_exporter", check, {
      "blackbox.yml": renderBlackboxConfig(),
    });
    expect(good.exitCode, text(good)).toBe(0);
    const bad = await inImage("blackboxExporter", "/bin/blackbox_exporter", check, {
      "blackbox.yml": renderBlackboxConfig().replaceAll("valid_http_versions", "valid_versions"),
    });
    expect(bad.exitCode).not.toBe(0);
  });

  it("MySQL (mysqld --validate-config)", async () => {
    const check = ["--defaults-file=/check/im-suite.cnf", "--validate-config", "--user=mysql"];
    const config = renderMysqlConfig({ serverId: 1, memoryMiB: 2048 });
    const good = await inImage("mysql", "mysqld", check, { "im-suite.cnf": config });
    expect(good.exitCode, text(good)).toBe(0);
    const bad = await inImage("mysql", "mysqld", check, { "im-suite.cnf": config.replace("gtid_mode", "gtid_mod_e") });
    expect(bad.exitCode).not.toBe(0);
  });

  it("MySQL's own option file parser gives back any password", async () => {
    for (const password of [
      `'"$\`\\@#!% 密码`,
      "  blanks at both ends  ",
      "#;=[x]",
      "\\n\\t\\s\\\\",
      '"quoted"',
      "'single'",
    ]) {
      const file = renderMysqlOptionFile({ user: "root", password });
      // my_print_defaults shows what the parser read; --show prints passwords too.
      const result = await inImage(
        "mysql",
        "my_print_defaults",
        ["--defaults-file=/check/my.cnf", "--show", "client"],
        { "my.cnf": file },
      );
      expect(result.stdout.split("\n"), text(result)).toContain(`--password=${password}`);
    }
  });

  it("Redis", async () => {
    const start = (config: string) =>
      inImage(
        "redis",
        "sh",
        [
          "-c",
          "redis-server /check/redis.conf --dir /tmp --daemonize yes --logfile /tmp/log; sleep 1; redis-cli -a Abc123 --no-auth-warning CONFIG GET maxmemory-policy; cat /tmp/log",
        ],
        {
          "redis.conf": config,
          "password.conf": "requirepass Abc123\n",
        },
      );
    const config = renderRedisConfig({ passwordFile: "/check/password.conf", memoryMiB: 512 });
    expect((await start(config)).stdout).toContain("noeviction");
    expect((await start(config.replace("appendonly yes", "appendonly perhaps"))).stdout).not.toContain("noeviction");
  });

  it("systemd (systemd-analyze verify, on a server)", async () => {
    const verify = async (service: string) =>
      onServer(
        "a",
        `folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
printf '%s' ${quote(service)} >"$folder/im-check.service"
printf '%s' ${quote(renderHealthCheckTimer(5).replaceAll("im-health-check", "im-check"))} >"$folder/im-check.timer"
SYSTEMD_UNIT_PATH="$folder:" systemd-analyze verify --man=no "$folder/im-check.service" "$folder/im-check.timer" 2>&1; echo verified`,
        { allowFailure: true },
      );
    const service = renderHealthCheckService("/bin/true", "/var/log/health-check.log");
    expect((await verify(service)).stdout.trim()).toBe("verified");
    expect((await verify(service.replace("TimeoutStartSec=180", "TimeoutStartSec=soon"))).stdout.trim()).not.toBe(
      "verified",
    );
  });

  it("logrotate (on a server)", async () => {
    const check = (content: string) =>
      onServer(
        "a",
        `file=$(mktemp); trap 'rm -f "$file"' EXIT; printf '%s' ${quote(content)} >"$file"; logrotate --debug "$file" 2>&1`,
        { allowFailure: true },
      );
    const content = renderLogrotate(["/var/log/health-check.log"]);
    expect((await check(content)).stdout).not.toMatch(/error/i);
    expect((await check(content.replace("weekly", "weeekly"))).stdout).toMatch(/error|unknown/i);
  });
});
