export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Answer {
  readonly data: unknown;
}

async function ask(url: string, path: string): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/${path}`);
  if (!response.ok) throw new Error(`Prometheus: ${response.status} ${await response.text()}`);
  return ((await response.json()) as Answer).data;
}

/** The samples that an expression gives now. */
export async function query(url: string, expression: string): Promise<Sample[]> {
  const { result } = (await ask(url, `query?query=${encodeURIComponent(expression)}`)) as {
    result: { metric: Record<string, string>; value: [number, string] }[];
  };
  return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
}

/** The trace ids of the exemplars of a metric. */
export async function exemplars(url: string, expression: string): Promise<string[]> {
  const now = Date.now() / 1000;
  const series = (await ask(
    url,
    `query_exemplars?query=${encodeURIComponent(expression)}&start=${now - 600}&end=${now}`,
  )) as { exemplars: { labels: Record<string, string> }[] }[];
  return series.flatMap((each) => each.exemplars.map(({ labels }) => labels['trace_id'] ?? ''));
}

/** Rules that could not be evaluated, with the reason. */
export async function failingRules(url: string): Promise<string[]> {
  const { groups } = (await ask(url, 'rules')) as {
    groups: { rules: { name: string; health: string; lastError?: string }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  if (rules.length === 0) return ['there are no rules'];
  return rules
    .filter(({ health }) => health !== 'ok')
    .map(({ name, health, lastError }) => `${name}: ${lastError ?? health}`);
}
