import { durationOf, type Trial } from '../trial.js';

/** Mean number of processors that others may keep busy during a trial. */
const QUIET = 0.1;

/** Why the figures should not stand in the documentation; null when they may. */
export function unpublishableReason(trials: readonly Trial[]): string | null {
  const failed = trials.flatMap(({ records }) => records.filter(({ error }) => error !== null));
  if (failed.length > 0) return `${failed.length} requests failed, the first with: ${failed[0]!.error!}`;
  const loads = trials.map((trial) => (trial.usage.otherSeconds ?? 0) / durationOf(trial));
  const loudest = Math.max(...loads);
  if (loudest <= QUIET) return null;
  return `the machine was not quiet, others kept ${loudest.toFixed(2)} processors busy during a trial`;
}
