import { describe, expect, it } from "vitest";
import { adviceForDocker, type DockerState } from "../../lab/docker.ts";

const bare: DockerState = {
  complaint: "Cannot connect to the Docker daemon",
  dockerHost: undefined,
  root: true,
  systemd: false,
  engineInstalled: false,
  serviceExists: false,
  apt: true,
};

describe("when no Docker Engine answers", () => {
  it("helps itself on Debian as root, without systemd or without the package", () => {
    expect(adviceForDocker(bare)).toBeUndefined();
    expect(adviceForDocker({ ...bare, engineInstalled: true })).toBeUndefined();
    expect(adviceForDocker({ ...bare, systemd: true })).toBeUndefined();
  });

  it.each<[string, Partial<DockerState>, RegExp]>([
    [
      "an engine elsewhere",
      { dockerHost: "tcp://10.0.0.1:2375" },
      /DOCKER_HOST = "tcp:\/\/10\.0\.0\.1:2375".*unset DOCKER_HOST/,
    ],
    [
      "a user without the right",
      { root: false, complaint: "permission denied while trying to connect" },
      /usermod -aG docker/,
    ],
    [
      "systemd's engine, stopped",
      { systemd: true, engineInstalled: true, serviceExists: true },
      /Type: systemctl start docker$/,
    ],
    [
      "the same as a user",
      { root: false, systemd: true, engineInstalled: true, serviceExists: true },
      /Type: sudo systemctl start docker$/,
    ],
    ["no engine as a user", { root: false }, /Type: sudo apt-get install docker\.io iptables$/],
    ["another distribution", { apt: false }, /not Debian or Ubuntu/],
    ["a stopped engine without systemd, as a user", { root: false, engineInstalled: true }, /sudo dockerd/],
  ])("says what to type: %s", (_what, change, expected) => {
    expect(adviceForDocker({ ...bare, ...change })).toMatch(expected);
  });

  it("never touches an engine that systemd manages", () => {
    for (const root of [true, false]) {
      const state = { ...bare, root, systemd: true, engineInstalled: true, serviceExists: true };
      expect(adviceForDocker(state)).toBeDefined();
    }
  });
});
