/**
 * Where the services of the suite are on their server, whether adopted or created. Plain values: they decide which checks
 * and exporters exist. A service that the suite does not have is undefined.
 */
export interface SuiteEndpoints {
  readonly mysql?: ServiceEndpoint | undefined;
  readonly redis?: ServiceEndpoint | undefined;
  readonly minio?: ServiceEndpoint | undefined;
  readonly backend?: ServiceEndpoint | undefined;
  readonly admin?: ServiceEndpoint | undefined;
  readonly prometheus?: ServiceEndpoint | undefined;
  readonly grafana?: ServiceEndpoint | undefined;
}

export interface ServiceEndpoint {
  readonly container: string;
  /** Port on the server. */
  readonly port: number;
  /** As the server itself reaches it; HTTP services only. */
  readonly url: string;
}
