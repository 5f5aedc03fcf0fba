import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { canary, type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];
const command = (name: string) => {
  const found = all.find((one) => one.type === "command:remote:Command" && one.name === `${name}-command`);
  if (found === undefined) throw new Error(`no command ${name}`);
  return found;
};

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  stage1(testConfiguration({ mode: "adopt" }));
  await settled();
});

describe("MinIO's own metrics", () => {
  it("are read with a token that Prometheus alone can read, and root's key stays out of Prometheus' reach", () => {
    const token = command("a-minio-metrics-token-file");
    expect(token.secrets).toContain("stdin");
    expect(String(token.inputs["create"])).toMatch(/chmod -- '?0400.*chown -- '?65534:65534/s);
    const body = Buffer.from(String(token.inputs["stdin"]).split(".")[1] ?? "", "base64url").toString();
    expect(JSON.parse(body).sub).toBe("im_metrics");
    const root = command("a-minio-metrics-root-client-file");
    expect(root.secrets).toContain("stdin");
    expect(String(root.inputs["create"])).toMatch(/chmod -- '?0600/);
    expect(JSON.parse(String(root.inputs["stdin"])).aliases.suite.secretKey).toBe(canary.minioSecretKey);
  });

  it("lie where the configuration of Prometheus looks for the token", () => {
    const config = parse(String(command("a-prometheus-configuration").inputs["stdin"]));
    const job = config.scrape_configs.find((one: { job_name: string }) => one.job_name === "minio");
    const container = all.find((one) => one.inputs["name"] === "im-prometheus");
    const mounts = container?.inputs["mounts"] as { source: string; target: string; readOnly: boolean }[];
    const mount = mounts.find((one) => job.authorization.credentials_file.startsWith(`${one.target}/`));
    expect(mount).toMatchObject({ source: "/etc/im-suite/prometheus", readOnly: true });
    expect(JSON.stringify(command("a-minio-metrics-token-file").inputs["triggers"])).toContain(
      job.authorization.credentials_file.replace(mount?.target ?? "", mount?.source ?? ""),
    );
    // A mount of the token's own folder would hold on to it after it went with the last token: it must be the one above.
    expect(mounts.map((one) => one.source)).not.toContain("/etc/im-suite/prometheus/secrets");
  });

  it("need an account whose key and token travel on stdin, and whose removal needs neither", () => {
    const account = command("a-minio-metrics-account");
    expect(account.secrets).toContain("stdin");
    expect(String(account.inputs["stdin"])).toMatch(/^generated\w+\n[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(String(account.inputs["delete"])).toContain("/etc/im-suite/credentials/minio-root.json");
    expect(String(account.inputs["delete"])).toContain("admin user remove");
  });
});
