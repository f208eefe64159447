import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import type { TestMember } from './local-system.js';

/** A stage's own metric, summed over its labels, as of now: `/topology` may be two seconds behind. */
async function stageMetric({ serviceHttpPort }: TestMember, name: string): Promise<number> {
  const page = await fetch(`http://127.0.0.1:${serviceHttpPort}/metrics`);
  return new Scrape(await page.text()).total(`layermesh_stage_${name}`);
}

/** Sequences that are open. */
export const openSequences = (member: TestMember): Promise<number> => stageMetric(member, 'sequences');

/** Steps run so far. More of them than before means that a sequence is really running. */
export const stepsRun = (member: TestMember): Promise<number> => stageMetric(member, 'step_seconds_count');
