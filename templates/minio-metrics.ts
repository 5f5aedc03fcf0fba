import { createHmac } from "node:crypto";
import { minioMetricsAccount } from "../config/names.ts";
import { quote, script } from "../lib/shell.ts";
import { minioInContainer } from "./container-clients.ts";

/** All nodes of one MinIO in one answer; buckets one by one are left out, because there may be thousands. */
export const minioMetricsPath = "/minio/v2/metrics/cluster";

/** 2100-01-01. A fixed moment: one counted from now would show as a change in every preview. */
const expiry = 4_102_444_800;

/**
 * The bearer token by which MinIO lets somebody read its metrics: what `mc admin prometheus generate` prints, a JWT signed
 * with the account's secret key. It ends with the account, or with another secret key.
 */
export function minioMetricsToken(accessKey: string, secretKey: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS512", typ: "JWT" })}.${part({ exp: expiry, sub: accessKey, iss: "prometheus" })}`;
  return `${signed}.${createHmac("sha512", secretKey).update(signed).digest("base64url")}`;
}

/** Reading metrics, and nothing else: no bucket, no object, no other answer of the admin API. */
const policy = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: ["admin:Prometheus"] }],
};

/**
 * Creates or corrects the account that Prometheus reads MinIO's metrics with, and asks MinIO with its token. Idempotent.
 * Stdin: the account's secret key and its token, a line each.
 *
 * An account of its own, because a token signed with root's key is also what MinIO's nodes trust each other by.
 *
 * @param url MinIO, as the server itself reaches it.
 */
export function renderMinioMetricsAccount(container: string, clientFile: string, url: string): string {
  const { user, policy: policyName } = minioMetricsAccount;
  return script(
    minioInContainer,
    "IFS= read -r secret_key",
    "IFS= read -r token",
    'case "$secret_key" in *[!A-Za-z0-9]*|"") echo "unexpected secret key" >&2; exit 1 ;; esac',
    // mc prints what it was given, the secret key too: only its errors are kept.
    `said=$(printf '%s\\n' ${quote(user)} "$secret_key" | minio_in_container ${quote(container)} ${quote(clientFile)} ${quote(
      [
        'command -v mc >/dev/null || { echo "its image has no mc" >&2; exit 1; }',
        "client admin user add suite >/dev/null || exit 1",
        `printf '%s' '${JSON.stringify(policy)}' >"$folder/policy.json"`,
        // Before March 2023 mc had other words. A policy that is already attached is an error in some versions: the question below decides.
        `client admin policy create suite ${policyName} "$folder/policy.json" >/dev/null || client admin policy add suite ${policyName} "$folder/policy.json" >/dev/null`,
        `client admin policy attach suite ${policyName} --user ${user} >/dev/null || client admin policy set suite ${policyName} user=${user} >/dev/null`,
        "exit 0",
      ].join("\n"),
    )} 2>&1 >/dev/null) || failed=yes`,
    `ask() { printf 'header = "Authorization: Bearer %s"\\n' "$token" | curl --config - --silent --show-error --fail --max-time 10 --output /dev/null ${quote(`${url}${minioMetricsPath}`)}; }`,
    'if [ "${failed:-no}" = no ]; then for _ in 1 2 3 4 5; do if answer=$(ask 2>&1); then exit 0; fi; sleep 1; done; fi',
    `echo ${quote(`${container} does not let ${user} read its metrics:`)} >&2`,
    `printf '%s\\n' "$said" "\${answer:-}" | grep -v '^ *$' | tail -n 5 >&2`,
    `echo ${quote("To go on without MinIO's own metrics: pulumi config set --path im:monitoring.minioMetrics false")} >&2`,
    "exit 1",
  );
}

/** Removes the account and its policy. A MinIO that is gone has neither. */
export function renderRemoveMinioMetricsAccount(container: string, clientFile: string): string {
  const { user, policy: policyName } = minioMetricsAccount;
  const absent = (what: string, name: string) =>
    `client admin ${what} list suite >"$folder/list" && ! grep -qw ${name} "$folder/list"`;
  return script(
    minioInContainer,
    `if ! docker inspect ${quote(container)} >/dev/null 2>&1; then exit 0; fi`,
    `minio_in_container ${quote(container)} ${quote(clientFile)} ${quote(
      [
        `client admin user remove suite ${user} >/dev/null 2>"$folder/said" || { ${absent("user", user)}; } || { cat "$folder/said" >&2; exit 1; }`,
        `client admin policy remove suite ${policyName} >/dev/null 2>"$folder/said" || { ${absent("policy", policyName)}; } || { cat "$folder/said" >&2; exit 1; }`,
      ].join("\n"),
    )} </dev/null`,
  );
}
