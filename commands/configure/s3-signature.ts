import { createHash, createHmac } from "node:crypto";

export interface S3Request {
  /** host or host:port, as the request's Host header says it. */
  readonly host: string;
  readonly path: string;
  /** Already in canonical form: sorted, encoded, `key=` for a key without a value. */
  readonly query: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly at: Date;
}

const emptyHash = sha256("");

/**
 * Headers of a signed GET (AWS signature version 4), by which MinIO tells a right pair of keys from a wrong one. Signed here, so
 * that the secret key does not travel to the server for a mere check.
 */
export function signedHeaders(request: S3Request): Record<string, string> {
  const time = request.at.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const scope = `${day}/${request.region}/s3/aws4_request`;
  const names = "host;x-amz-content-sha256;x-amz-date";
  const canonical = [
    "GET",
    request.path,
    request.query,
    `host:${request.host}`,
    `x-amz-content-sha256:${emptyHash}`,
    `x-amz-date:${time}`,
    "",
    names,
    emptyHash,
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  const key = [day, request.region, "s3", "aws4_request"].reduce<Buffer>(
    (secret, part) => createHmac("sha256", secret).update(part).digest(),
    Buffer.from(`AWS4${request.secretKey}`, "utf8"),
  );
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  return {
    "x-amz-content-sha256": emptyHash,
    "x-amz-date": time,
    Authorization: `AWS4-HMAC-SHA256 Credential=${request.accessKey}/${scope},SignedHeaders=${names},Signature=${signature}`,
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
