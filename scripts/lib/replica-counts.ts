import { ServingError } from '../../services/lib/errors/serving-error.js';

const MOST = 64;

/** How many replicas each app-id has; one where it is not named. */
export type ReplicaCounts = ReadonlyMap<string, number>;

/** Parses `stage-1=2` and the like; throws `invalid_config` for another form. */
export function parseReplicaCounts(assignments: readonly string[]): ReplicaCounts {
  const counts = new Map<string, number>();
  for (const assignment of assignments) {
    const [, appId = '', count = ''] = /^(stage-\d+)=(\d+)$/.exec(assignment) ?? [];
    if (appId === '') throw invalid(`"${assignment}" is not of the form stage-1=2`);
    if (Number(count) < 1 || Number(count) > MOST) throw invalid(`${assignment}: from 1 to ${MOST} replicas`);
    counts.set(appId, Number(count));
  }
  return counts;
}

/** Throws `invalid_config` unless every app-id is one of `stages` stages. */
export function requireStages(counts: ReadonlyMap<string, unknown>, stages: number): void {
  for (const appId of counts.keys()) {
    if (Number(appId.slice('stage-'.length)) < stages) continue;
    throw new ServingError('invalid_config', `there is no ${appId}`, {
      hint: `the last stage is stage-${stages - 1}`,
    });
  }
}

const invalid = (problem: string): ServingError =>
  new ServingError('invalid_config', problem, { hint: 'name a stage and its replicas, such as stage-1=2' });
