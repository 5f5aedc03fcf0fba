import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { labNetwork, labServers, overlapsLab, parseAlias, parseRange, requireLabAddress } from "../../lab/addresses.ts";
import { findTakenRoute } from "../../lab/network.ts";

describe("the lab's address guard", () => {
  it("lets the lab's own servers through", () => {
    for (const server of Object.values(labServers)) expect(requireLabAddress(server.address)).toBe(server.address);
    expect(requireLabAddress(labNetwork.virtualAddress)).toBe("198.18.0.100");
  });

  it.each([
    ["a public address", "203.0.113.10"],
    ["the neighbouring range", "198.18.1.11"],
    ["a private address", "10.0.0.1"],
    ["loopback", "127.0.0.1"],
    ["a name that begins like the lab", "198.18.0.11.example.com"],
    ["an address that begins like the lab", "198.18.0.110.5"],
    ["octal digits", "198.18.0.011"],
    ["IPv6", "::ffff:198.18.0.11"],
    ["blanks", " 198.18.0.11"],
    ["nothing", ""],
  ])("refuses %s", (_what, address) => {
    expect(() => requireLabAddress(address)).toThrow(/refuses the address/);
  });

  it("refuses every address outside 198.18.0.0/24", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        fc.pre(!address.startsWith("198.18.0."));
        expect(() => requireLabAddress(address)).toThrow(/198\.18\.0\.0\/24/);
      }),
    );
  });
});

describe("what a person types for a server", () => {
  it.each(["a", "A", "im-lab-a", "IM-LAB-A"])("%s is server A", (text) => {
    expect(parseAlias(text).container).toBe("im-lab-a");
  });
  it.each([undefined, "", "d", "toString", "im-lab-", "198.18.0.11"])("%s is none", (text) => {
    expect(() => parseAlias(text)).toThrow(/Expected a, b or c/);
  });
});

describe("ranges", () => {
  it("reads a range as first and last address", () => {
    expect(parseRange("198.18.0.77/24")).toEqual({ first: 0xc6120000, last: 0xc61200ff });
    expect(parseRange("10.0.0.1")).toEqual({ first: 0x0a000001, last: 0x0a000001 });
  });
  it.each(["10.0.0.0/33", "10.0.0/8", "fe80::/10", "x", "10.0.0.0/x"])("does not read %s", (text) => {
    expect(parseRange(text)).toBeUndefined();
  });
  it.each([
    ["198.18.0.0/24", true],
    ["198.18.0.0/15", true],
    ["198.18.0.128/25", true],
    ["198.18.0.200", true],
    ["198.18.1.0/24", false],
    ["172.17.0.0/16", false],
    ["0.0.0.0/0", false],
    ["default", false],
  ])("%s overlaps the lab: %s", (range, expected) => {
    expect(overlapsLab(range)).toBe(expected);
  });
  it("finds the route that is in the way, and not the default one", () => {
    const routes = "default via 192.0.2.1 dev eth0 \n172.17.0.0/16 dev docker0 proto kernel\n";
    expect(findTakenRoute(routes)).toBeUndefined();
    expect(findTakenRoute(`${routes}198.18.0.0/15 dev tun0 scope link`)).toBe("198.18.0.0/15 dev tun0 scope link");
    expect(findTakenRoute(`${routes}blackhole 198.18.0.0/16`)).toBe("blackhole 198.18.0.0/16");
  });
});
