/** What `--workload` takes; docs/benchmarks.md describes each. */
export const WORKLOADS = [
  'sweep',
  'step',
  'conversation',
  'code-bursts',
  'long-prompt',
  'shared-prefix',
  'rewrite',
  'bars',
] as const;
export type WorkloadName = (typeof WORKLOADS)[number];
