/** Stage 1's secret output, as far as a later stage uses it. */
export interface Credentials {
  readonly mysql: Readonly<Record<"root" | "exporter" | "health", string>> & {
    readonly application?: string;
  };
  readonly redis: { readonly password: string };
  readonly minio: {
    readonly accessKey: string;
    readonly secretKey: string;
    readonly application?: { readonly accessKey: string; readonly secretKey: string };
  };
  readonly backup?: { readonly key: string };
}
