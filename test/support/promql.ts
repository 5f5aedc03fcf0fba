/** Words of PromQL that are not metric names. */
const keywords = new Set(
  "and or unless bool offset inf nan start end atan2 by without on ignoring group_left group_right".split(" "),
);

/** What Grafana puts in place of its variables, for somebody who is not Grafana. */
export function withoutGrafanaVariables(expr: string): string {
  const plain = expr.replaceAll("$__rate_interval", "1m").replaceAll("$server", ".*");
  const left = /\$\w+/.exec(plain);
  if (left !== null) throw new Error(`unknown variable ${left[0]} in ${expr}`);
  return plain;
}

/** Names of the metrics that an expression asks for. Not a parser: promtool says whether the expression is one. */
export function metricNames(expr: string): string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\{[^}]*\}/g, " ")
    .replaceAll(/\[[^\]]*\]/g, " ")
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, " ");
  const names = [...bare.matchAll(/[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\(|[\w:])/g)]
    .filter((match) => !/[0-9.]/.test(bare[match.index - 1] ?? ""))
    .map(([name]) => name)
    .filter((name) => !keywords.has(name.toLowerCase()));
  return [...new Set(names)].sort();
}
