import { suiteServices } from "../../config/names.ts";
import type { AdoptedSuite } from "../../config/schema.ts";
import type { ServiceEndpoint, SuiteEndpoints } from "./suite-endpoints.ts";

/** Where the services of an adopted suite are. Config alone decides: nothing is created, nothing is touched. */
export function adoptedEndpoints(suite: AdoptedSuite): SuiteEndpoints {
  const endpoints = suiteServices
    .filter((service) => !suite.without.includes(service))
    .map((service): [string, ServiceEndpoint] => {
      const port = suite.ports[service];
      return [service, { container: suite.containers[service], port, url: `http://127.0.0.1:${port}` }];
    });
  return Object.fromEntries(endpoints);
}
