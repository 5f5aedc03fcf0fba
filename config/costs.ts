/**
 * The roadmap's monthly cost table, in CNY. Source: the section on cost analysis of the roadmap; the operator's own prices
 * replace any item by `im:costs`.
 */
export const roadmapCosts = {
  stage1: { "main server": 800 },
  stage2: { "main server": 800, "second server": 500, "backup storage": 50 },
  stage3: {
    "main server": 1200,
    "second server": 800,
    "monitoring server": 400,
    "load balancer": 300,
    "backup storage": 100,
    CDN: 200,
  },
} as const satisfies Record<string, Record<string, number>>;

export interface MonthlyCost {
  readonly currency: "CNY";
  readonly items: Readonly<Record<string, number>>;
  readonly total: number;
}

/** The third vote is not in the roadmap's table: the smallest server that providers rent. */
export const witnessCost = { witness: 50 } as const;

/**
 * The cost table of one stage.
 * @param overrides the operator's own prices by item, new items included.
 * @param further items of this stack that the roadmap does not have.
 */
export function monthlyCost(
  stage: 1 | 2 | 3,
  overrides: Readonly<Record<string, number>> = {},
  further: Readonly<Record<string, number>> = {},
): MonthlyCost {
  const items: Record<string, number> = { ...roadmapCosts[`stage${stage}`], ...further, ...overrides };
  const total = Object.values(items).reduce((sum, price) => sum + price, 0);
  return { currency: "CNY", items, total };
}
