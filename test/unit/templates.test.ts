import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { renderProbe } from "../../preflight/probe.ts";
import { renderBlackboxConfig } from "../../templates/blackbox-exporter.ts";
import { renderBootstrap, renderDockerReady } from "../../templates/bootstrap.ts";
import { renderRedisAuth, sqlLiteral } from "../../templates/container-clients.ts";
import { renderMysqldExporterOptions, renderRedisExporterPasswords } from "../../templates/exporter-credentials.ts";
import { renderHealthCheck } from "../../templates/health-check.ts";
import { renderLogrotate } from "../../templates/logrotate.ts";
import { minioMetricsToken } from "../../templates/minio-metrics.ts";
import { renderMysqlConfig } from "../../templates/mysql-config.ts";
import { quoteOptionValue, renderMysqlOptionFile } from "../../templates/mysql-option-file.ts";
import { renderPrometheusConfig } from "../../templates/prometheus.ts";
import { renderRedisConfig } from "../../templates/redis-config.ts";
import { scrapeJobs } from "../../templates/scrape-jobs.ts";
import { renderUnit } from "../../templates/systemd.ts";
import { shellcheck } from "./shellcheck.ts";

/** A password of an adopted suite: any characters but line breaks and NUL, many of them with a meaning somewhere. */
const password = fc
  .array(fc.oneof(fc.constantFrom(..."'\"$`\\!@#%;= \t[]{}nsrtb密é"), fc.string({ unit: "grapheme", maxLength: 1 })), {
    minLength: 1,
    maxLength: 30,
  })
  .map((parts) => parts.join("").replaceAll(/[\r\n\0]/g, "_"))
  .filter((text) => text !== "");

/**
 * What MySQL's option file parser makes of one `key=value` line: a # outside quotes ends it, blanks at the ends go, one pair of
 * quotes goes, and a backslash escapes n, t, r, b, s, quotes and itself.
 */
function asMysqlReads(line: string): string {
  let quote = "";
  let escaped = false;
  let end = line.length;
  for (const [index, character] of [...line].map((one, i) => [i, one] as const)) {
    if ((character === "'" || character === '"') && !escaped) {
      if (quote === "") quote = character;
      else if (quote === character) quote = "";
    }
    if (quote === "" && character === "#") {
      end = index;
      break;
    }
    escaped = quote !== "" && character === "\\" && !escaped;
  }
  const kept = [...line].slice(0, end).join("");
  let value = kept.slice(kept.indexOf("=") + 1).replaceAll(/^[ \t]+|[ \t]+$/g, "");
  if (/^(["']).*\1$/s.test(value) && value.length > 1) value = value.slice(1, -1);
  const escapes: Record<string, string> = {
    n: "\n",
    t: "\t",
    r: "\r",
    b: "\b",
    s: " ",
    '"': '"',
    "'": "'",
    "\\": "\\",
  };
  return value.replaceAll(/\\(.)/gs, (whole, character: string) => escapes[character] ?? whole);
}

describe("MySQL option file", () => {
  test("MySQL reads back every password", () => {
    fc.assert(
      fc.property(password, (value) => {
        const lines = renderMysqlOptionFile({ user: "root", password: value }).split("\n");
        expect(lines).toHaveLength(4);
        expect(asMysqlReads(lines[2] ?? "")).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  test("a line break would start an option of its own", () => {
    expect(() => quoteOptionValue("a\nssl-mode=DISABLED")).toThrow("line break");
  });
});

describe("Redis", () => {
  test("redis-cli reads back every password", () => {
    fc.assert(
      fc.property(password, (value) => {
        const line = renderRedisAuth(value);
        const quoted = /^AUTH "((?:\\x[0-9a-f]{2})+)"\n$/.exec(line)?.[1] ?? "";
        expect(Buffer.from(quoted.replaceAll("\\x", ""), "hex").toString("utf8")).toBe(value);
      }),
    );
  });

  test("no password, no AUTH: it would be an error", () => expect(renderRedisAuth("")).toBe(""));

  test("redis.conf holds no password: a new one must not change it, because that restarts Redis", () => {
    const config = renderRedisConfig({ passwordFile: "/etc/redis/password.conf", memoryMiB: 512 });
    expect(config).toContain("\ninclude /etc/redis/password.conf\n");
    expect(config).not.toMatch(/requirepass|masterauth/);
  });

  test("data may take three quarters of the memory: the rest is for copy-on-write", () => {
    expect(renderRedisConfig({ passwordFile: "/p", memoryMiB: 512 })).toContain("\nmaxmemory 384mb\n");
  });

  test("the exporter's password file is JSON with the exporter's own address as key", () => {
    fc.assert(
      fc.property(password, (value) => {
        expect(JSON.parse(renderRedisExporterPasswords("redis://127.0.0.1:6379", value))).toEqual({
          "redis://127.0.0.1:6379": value,
        });
      }),
    );
  });
});

describe("SQL", () => {
  test("a literal holds any bytes and no quote of its own", () => {
    fc.assert(
      fc.property(password, (value) => {
        const hex = /^CONVERT\(0x([0-9a-f]+) USING utf8mb4\)$/.exec(sqlLiteral(value))?.[1] ?? "";
        expect(Buffer.from(hex, "hex").toString("utf8")).toBe(value);
      }),
    );
    expect(sqlLiteral("")).toBe("''");
  });

  test("the exporter's own parser gets letters and digits only", () => {
    const options = { user: "im_exporter", host: "127.0.0.1", port: 3307 };
    expect(() => renderMysqldExporterOptions({ ...options, password: "a'b" })).toThrow("letters and digits");
    expect(renderMysqldExporterOptions({ ...options, password: "aB3" })).toContain("password=aB3\n");
  });

  test("half of the memory, in whole 128 MiB, and never nothing, is the buffer pool", () => {
    const pool = (memoryMiB: number) =>
      /innodb_buffer_pool_size=(\d+)M/.exec(renderMysqlConfig({ serverId: 1, memoryMiB }))?.[1];
    expect([512, 1000, 2048, 200].map(pool)).toEqual(["256", "384", "1024", "128"]);
  });

  test("an acknowledged write survives a power failure, and a replica can follow", () => {
    const config = renderMysqlConfig({ serverId: 7, memoryMiB: 2048 });
    for (const line of [
      "server_id=7",
      "sync_binlog=1",
      "innodb_flush_log_at_trx_commit=1",
      "gtid_mode=ON",
      "enforce_gtid_consistency=ON",
      "binlog_format=ROW",
    ]) {
      expect(config.split("\n")).toContain(line);
    }
  });
});

describe("systemd", () => {
  test("sections, and an array repeats its key", () => {
    const unit = renderUnit("test", { Unit: { Description: "d" }, Service: { ExecStartPre: ["a", "b"], Nice: 10 } });
    expect(unit).toBe(
      "# Generated by im-suite-ha (test). Changes are overwritten.\n[Unit]\nDescription=d\n\n[Service]\nExecStartPre=a\nExecStartPre=b\nNice=10\n",
    );
  });

  test("a line break would start a directive of its own", () => {
    expect(() => renderUnit("test", { Service: { ExecStart: "/bin/true\nUser=root" } })).toThrow(
      "Service.ExecStart contains a line break",
    );
  });
});

describe("monitoring", () => {
  test("Prometheus scrapes what it is given, and what later stages add in files", () => {
    const config = parse(
      renderPrometheusConfig({ server: "a", jobs: [{ name: "node", targets: ["127.0.0.1:9100"], path: "/m" }] }),
    );
    expect(config.scrape_configs).toEqual([
      {
        job_name: "node",
        metrics_path: "/m",
        static_configs: [{ targets: ["127.0.0.1:9100"], labels: { server: "a" } }],
      },
      { job_name: "added", file_sd_configs: [{ files: ["/etc/prometheus/targets.d/*.yml"] }] },
    ]);
    expect(config.global.external_labels).toEqual({ server: "a" });
    expect(config.alerting).toBeUndefined();
  });

  test("a probe is asked of the blackbox exporter, and the probed address is the instance", () => {
    const [job] = scrapeJobs({
      listenAddress: "fd00::1",
      prometheusPort: 9091,
      redis: false,
      minioToken: "minio-token",
      adminUrl: "http://127.0.0.1:3001",
      backendMetricsPath: "",
      tlsEndpoints: [],
    }).filter((one) => one.name === "probe-admin");
    const config = parse(renderPrometheusConfig({ server: "a", jobs: job === undefined ? [] : [job] }));
    expect(config.scrape_configs[0]).toEqual({
      job_name: "probe-admin",
      metrics_path: "/probe",
      params: { module: ["http_2xx"] },
      relabel_configs: [
        { source_labels: ["__address__"], target_label: "__param_target" },
        { source_labels: ["__param_target"], target_label: "instance" },
        { target_label: "__address__", replacement: "[fd00::1]:9115" },
      ],
      static_configs: [{ targets: ["http://127.0.0.1:3001/"], labels: { server: "a" } }],
    });
  });

  test("MinIO is asked with a token that comes from a file, and not at all where its metrics are not wanted", () => {
    const watched = {
      listenAddress: "127.0.0.1",
      prometheusPort: 9091,
      redis: false,
      minioUrl: "http://127.0.0.1:9000",
      backendMetricsPath: "",
      tlsEndpoints: [],
    };
    const jobs = (minioToken: string | undefined) =>
      parse(renderPrometheusConfig({ server: "a", jobs: scrapeJobs({ ...watched, minioToken }) })).scrape_configs;
    const named = (minioToken: string | undefined) =>
      jobs(minioToken).filter((job: { job_name: string }) => job.job_name === "minio");
    expect(named("minio-token-2")).toEqual([
      {
        job_name: "minio",
        metrics_path: "/minio/v2/metrics/cluster",
        authorization: { type: "Bearer", credentials_file: "/etc/prometheus/secrets/minio-token-2" },
        static_configs: [{ targets: ["127.0.0.1:9000"], labels: { server: "a" } }],
      },
    ]);
    expect(named(undefined)).toEqual([]);
  });

  test("the token is what mc prints: HS512 with the secret key, for one account, until 2100", () => {
    const token = minioMetricsToken("im_metrics", "key");
    const [header = "", body = "", signature = ""] = token.split(".");
    const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(read(header)).toEqual({ alg: "HS512", typ: "JWT" });
    expect(read(body)).toEqual({ exp: 4102444800, sub: "im_metrics", iss: "prometheus" });
    expect(signature).toBe(createHmac("sha512", "key").update(`${header}.${body}`).digest("base64url"));
    // The same for ever: another one in every preview would be a change in every preview.
    expect(minioMetricsToken("im_metrics", "key")).toBe(token);
    expect(minioMetricsToken("im_metrics", "another")).not.toBe(token);
  });

  test("a one-minute alert can be out 40 s after its minute: a scrape, its timeout, an evaluation", () => {
    const { global } = parse(renderPrometheusConfig({ server: "a", jobs: [] }));
    const seconds = [global.scrape_interval, global.scrape_timeout, global.evaluation_interval].map(Number.parseFloat);
    expect(seconds.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(30);
  });

  test("a backend that answers 200 without ok is down for the blackbox exporter", () => {
    const { modules } = parse(renderBlackboxConfig());
    expect(modules.http_ok.http.fail_if_body_not_matches_regexp).toEqual(["ok"]);
    expect(Object.keys(modules)).toEqual(["http_2xx", "http_ok", "tcp_tls"]);
  });

  test("logs rotate, in one stable order", () => {
    const text = renderLogrotate(["/var/log/im-b.log", "/var/log/im-a.log"]);
    expect(text).toContain("\n/var/log/im-a.log /var/log/im-b.log\n{");
    expect(text).toContain("rotate 14");
  });
});

test("scripts in the shapes that the program's own configuration does not reach are sound bash", () => {
  const nasty = `it's "a" $mirror\\ \`x\` #`;
  const bootstrap = {
    installDocker: true,
    backup: true,
    aptMirror: `https://x/${nasty}`,
    registryMirrors: [nasty],
    timeServers: ["t"],
  };
  const credentials = {
    mysqlRootPassword: nasty,
    redisPassword: "",
    minioAccessKey: "abc",
    minioSecretKey: "12345678",
  };
  shellcheck(
    new Map([
      ["bootstrap-mirrors", renderBootstrap(bootstrap)],
      ["docker-ready", renderDockerReady()],
      ["probe", renderProbe()],
      ["probe-mysql", renderProbe({ mysql: { container: "im-mysql-prod", credentials } })],
      ["health-check-nothing", renderHealthCheck({ diskUsagePercent: 80 })],
      [
        "health-check-all",
        renderHealthCheck({
          mysql: { container: "im-mysql-prod", optionFile: "/etc/im suite/x" },
          redis: { container: "im-redis-prod", authFile: "/etc/im-suite/y" },
          minioUrl: "http://127.0.0.1:9000",
          backendUrl: "http://127.0.0.1:8080",
          adminUrl: "http://127.0.0.1:3001",
          diskUsagePercent: 80,
        }),
      ],
    ]),
  );
});
