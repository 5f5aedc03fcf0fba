import packageJson from "../package.json" with { type: "json" };

/** The version of this program, one of the stack's outputs. */
export const version = packageJson.version;
