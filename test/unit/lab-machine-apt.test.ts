import { describe, expect, it } from "vitest";
import { aptConfiguration, debianMirror, parseTargets, sourcesList } from "../../lab/machine-apt.ts";

const machine = parseTargets(
  [
    "http://mirror.example/debian/|bookworm|main",
    "http://mirror.example/debian/|bookworm-updates|main",
    "http://mirror.example/debian-security/|bookworm-security|main",
    "http://mirror.example/debian/|bookworm|contrib",
    "https://other.example/node/|nodistro|main",
    "",
  ].join("\n"),
);

describe("this machine's apt, for the lab", () => {
  it("takes the mirror of the machine's own Debian source", () => {
    expect(debianMirror(machine, undefined)).toBe("http://mirror.example/debian");
  });
  it("knows no mirror on Ubuntu, unless one is named", () => {
    const ubuntu = parseTargets("http://mirror.example/ubuntu/|noble|main\n");
    expect(debianMirror(ubuntu, undefined)).toBeUndefined();
    expect(debianMirror(ubuntu, "https://mirror.example/debian/")).toBe("https://mirror.example/debian");
  });
  it("refuses a mirror that is not a URL", () => {
    expect(() => debianMirror(machine, "mirror.example")).toThrow(/IM_LAB_DEBIAN_MIRROR = "mirror.example"/);
  });
  it("gives the servers bookworm with the machine's updates and security, and nothing else of the machine", () => {
    expect(sourcesList("http://mirror.example/debian", machine)).toBe(
      "deb http://mirror.example/debian bookworm main\n" +
        "deb http://mirror.example/debian bookworm-updates main\n" +
        "deb http://mirror.example/debian-security bookworm-security main\n",
    );
  });
  it("does not give a server of bookworm the updates of the machine's newer release", () => {
    const trixie = parseTargets("http://m.example/d/|trixie|main\nhttp://m.example/d/|trixie-updates|main\n");
    expect(sourcesList(debianMirror(trixie, undefined) ?? "", trixie)).toBe("deb http://m.example/d bookworm main\n");
  });
  it("keeps proxies and clocks, not the machine's hooks", () => {
    const dump = [
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'Acquire::https::mirror.example::Verify-Peer "false";',
      'Acquire::Check-Valid-Until "false";',
      'Acquire::http::Proxy "";',
      'DPkg::Post-Invoke:: "rm -rf /";',
      'APT::Update::Post-Invoke:: "true";',
    ].join("\n");
    expect(aptConfiguration(dump).split("\n").slice(1, -1)).toEqual(dump.split("\n").slice(0, 3));
  });
});
