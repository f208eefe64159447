import type { TestMember } from './local-system.js';

/** A stage's own metric, summed over its labels, as of now: `/topology` may be two seconds behind. */
export async function stageMetric({ serviceHttpPort }: TestMember, series: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${serviceHttpPort}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`layermesh_stage_${series}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Sequences that are open. */
export const openSequences = (member: TestMember): Promise<number> => stageMetric(member, 'sequences');

/** Steps run so far. More of them than before means that a sequence is really running. */
export const stepsRun = (member: TestMember): Promise<number> => stageMetric(member, 'step_seconds_count');
