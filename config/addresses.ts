import { BlockList, isIP } from "node:net";
import { z } from "zod";

/** Addresses of servers, as the configuration knows them. */

const oneAddress = "expected the IP address of one server, for example 203.0.113.10";
export const address = z.string(oneAddress).refine((value) => isIP(value) !== 0 && !isWildcard(value), oneAddress);

/** Ranges that nobody reaches from the internet: loopback, private, shared (RFC 6598) and benchmark networks. */
const privateRanges = new BlockList();
for (const [network, prefix, family] of [
  ["127.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["::1", 128, "ipv6"],
  ["fc00::", 7, "ipv6"],
] as const) {
  privateRanges.addSubnet(network, prefix, family);
}

/** Whether an address is in one of the ranges that are not routed on the internet. */
export function isPrivate(value: string): boolean {
  return privateRanges.check(value, isIP(value) === 6 ? "ipv6" : "ipv4");
}

export function isWildcard(value: string): boolean {
  return value === "0.0.0.0" || value === "::";
}
