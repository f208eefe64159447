import { SMALLEST_PIECE } from './scheduler.js';
import type { StepCosts } from './step-costs.js';

/**
 * How many rows of prompts a step may take beside `decodes` running sequences, so that these are not stalled:
 * each prompt that waits may take up to `share` of the step's time. A share of 1 is no bound, and nothing bounds
 * a step in which nobody runs. `depth` is that of the prompt which is next.
 *
 * 0 the first time that so many run: what a step of them alone costs has to be seen once.
 */
export function promptBudget(
  costs: StepCosts,
  share: number,
  { decodes, prompts, depth }: { decodes: number; prompts: number; depth: number },
): number {
  if (decodes === 0 || share >= 1) return Infinity;
  const [decode, row] = [costs.decode(decodes), costs.promptRow(depth)];
  if (decode === null) return 0;
  if (row === null || row === 0) return SMALLEST_PIECE;
  return Math.max(SMALLEST_PIECE, Math.round((prompts * decode * (share / (1 - share))) / row));
}
