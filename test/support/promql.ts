import { parser } from '@prometheus-io/lezer-promql';

/** The metrics that a PromQL expression selects; throws where it does not parse. */
export function metricsIn(expression: string): string[] {
  const metrics: string[] = [];
  parser.parse(expression).iterate({
    enter: ({ name, type, node, from, to }) => {
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expression}`);
      // The label that a selector without a name may have is no Identifier.
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector')
        metrics.push(expression.slice(from, to));
    },
  });
  return metrics;
}
