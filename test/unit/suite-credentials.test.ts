import { describe, expect, it } from "vitest";
import {
  awkwardPrefix,
  newSecrets,
  secretsFromEnvironment,
  secretsToEnvironment,
} from "../../lab/suite/credentials.ts";
import { parseEnvironmentFile, renderEnvironmentFile } from "../../lab/suite/environment-file.ts";

describe("the lab's passwords", () => {
  it("contain everything that breaks somewhere", () => {
    for (const character of `'"$\\@#!% \`密`) expect(awkwardPrefix).toContain(character);
    const secrets = newSecrets();
    for (const field of [
      "mysqlRootPassword",
      "mysqlApplicationPassword",
      "redisPassword",
      "minioSecretKey",
      "grafanaPassword",
    ] as const) {
      expect(secrets[field].startsWith(awkwardPrefix)).toBe(true);
    }
  });

  it("are all different, in one lab and between labs", () => {
    const all = [...Object.values(newSecrets()), ...Object.values(newSecrets())];
    // The account of MinIO is a name, the same everywhere.
    expect(new Set(all).size).toBe(all.length - 1);
  });

  it("have a first MySQL password that the official image can take", () => {
    expect(newSecrets().mysqlFirstPassword).toMatch(/^[0-9a-f]+$/);
  });

  it("are found again in the suite's .env file", () => {
    const secrets = newSecrets();
    const file = renderEnvironmentFile({ MYSQL_IMAGE: "mysql:8.4", ...secretsToEnvironment(secrets) });
    expect(secretsFromEnvironment(parseEnvironmentFile(file))).toEqual(secrets);
  });

  it("are not invented when the file lacks one", () => {
    const { DB_PASSWORD: _without, ...rest } = secretsToEnvironment(newSecrets());
    expect(secretsFromEnvironment(rest)).toBeUndefined();
  });
});
