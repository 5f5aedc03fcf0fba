import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { dashboardFiles } from "../../templates/grafana/dashboards.ts";
import { type Registered, settled, testConfiguration, useMocks } from "../support/mocks.ts";

let all: readonly Registered[];
const file = (path: string) => {
  const found = all.find((one) => JSON.stringify(one.inputs["triggers"]) === JSON.stringify([path]));
  if (found === undefined) throw new Error(`no file ${path}`);
  return found;
};
const grafana = () => {
  const found = all.find((one) => one.inputs["name"] === "im-grafana");
  if (found === undefined) throw new Error("no container im-grafana");
  return found.inputs;
};
type Mount = { source: string; target: string; readOnly: boolean };
/** Where a file of the server lies inside the container. */
const inside = (path: string) => {
  const mount = (grafana()["mounts"] as Mount[]).find((one) => path.startsWith(`${one.source}/`));
  return mount === undefined ? undefined : path.replace(mount.source, mount.target);
};

beforeAll(async () => {
  all = await useMocks();
  const { stage1 } = await import("../../stacks/stage1.ts");
  stage1(testConfiguration({ mode: "create", ports: { prometheus: 9190 } }));
  await settled();
});

describe("the Grafana of a created suite", () => {
  it("asks the suite's own Prometheus, which the dashboards choose", () => {
    const path = "/etc/im-suite/grafana/datasources/im-suite.yml";
    expect(parse(String(file(path).inputs["stdin"])).datasources[0].url).toBe("http://127.0.0.1:9190");
    expect(inside(path)).toBe("/etc/grafana/provisioning/datasources/im-suite.yml");
  });

  it("finds every dashboard in the folder that its configuration names", () => {
    const path = "/etc/im-suite/grafana/dashboards/im-suite.yml";
    expect(inside(path)).toBe("/etc/grafana/provisioning/dashboards/im-suite.yml");
    const [provider] = parse(String(file(path).inputs["stdin"])).providers;
    for (const [name, text] of dashboardFiles()) {
      const dashboard = `/etc/im-suite/grafana/dashboards/json/${name}`;
      expect(file(dashboard).inputs["stdin"]).toBe(text);
      // Grafana is no root in its container.
      expect(String(file(dashboard).inputs["create"])).toMatch(/chmod -- '?0644/);
      expect(inside(dashboard)).toBe(`${provider.options.path}/${name}`);
    }
  });

  it("cannot write where its provisioning lies", () => {
    const mounts = grafana()["mounts"] as Mount[];
    expect(mounts.filter((mount) => !mount.readOnly).map((mount) => mount.target)).toEqual(["/var/lib/grafana"]);
  });
});
