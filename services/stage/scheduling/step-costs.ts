import { SMALLEST_BUCKET } from '../../lib/engine/kv/arena.js';
import { SMALLEST_PIECE } from './work-queue.js';

/** What a step that ran was made of, and took. */
export interface StepCost {
  /** Running sequences. */
  readonly decodes: number;
  /** Rows of prompts. */
  readonly promptRows: number;
  /** How many rows of their sequences are cached before those of prompts. */
  readonly depth: number;
  readonly seconds: number;
}

/**
 * What steps cost on this machine, learnt from those that ran. A prompt's row costs the more the deeper it is,
 * since it looks at all rows before it; there is no formula for either that would hold for every processor, so
 * both costs are kept by powers of two. Pure.
 */
export class StepCosts {
  readonly #decode = new Map<number, number>();
  readonly #promptRow = new Map<number, number>();
  /** Of all steps. */
  #mean: number | null = null;

  /**
   * Of a step of about so many running sequences, seconds; null until one has run. None costs more than one of more
   * sequences: where it did, it was computed beside others' steps, as the first after many prompts are.
   */
  decode(sequences: number): number | null {
    if (sequences === 0) return 0;
    const key = decodeKey(sequences);
    if (!this.#decode.has(key)) return null;
    return Math.min(...[...this.#decode].filter(([other]) => other >= key).map(([, seconds]) => seconds));
  }

  /** Of a prompt's row at such a depth, or at the nearest that is known, seconds; null until one has run. */
  promptRow(depth: number): number | null {
    return nearest(this.#promptRow, depthKey(depth));
  }

  /** What of a mean step, with its prompts, does not grow with its rows, 0 to 1; null until steps of two sizes have run. */
  get fixedShare(): number | null {
    const sizes = [...this.#decode.keys()].sort((one, other) => one - other);
    const [small, large] = [sizes[0], sizes.at(-1)];
    if (this.#mean === null || small === undefined || small === large) return null;
    const [low, high] = [this.#decode.get(small)!, this.#decode.get(large!)!];
    const growth = (high - low) / (2 ** large! - 2 ** small);
    return Math.min(1, Math.max(0, low - growth * 2 ** small) / this.#mean);
  }

  /**
   * Learns from a step that ran. One with prompts tells what their rows cost only where it is known what the rest of it
   * would have taken.
   */
  observe({ decodes, promptRows, depth, seconds }: StepCost): void {
    this.#mean = movingAverage(this.#mean, seconds, SLOW);
    if (promptRows === 0) {
      learn(this.#decode, decodeKey(decodes), seconds);
    } else {
      const decoding = this.decode(decodes);
      if (decoding === null) return;
      learn(this.#promptRow, depthKey(depth), Math.max(0, seconds - decoding) / promptRows);
    }
  }
}

const decodeKey = (sequences: number): number => Math.round(Math.log2(sequences));

/** As the KV cache rounds lengths up. */
const depthKey = (depth: number): number => Math.ceil(Math.log2(depth + SMALLEST_BUCKET));

function learn(costs: Map<number, number>, key: number, value: number): void {
  costs.set(key, movingAverage(costs.get(key) ?? null, value));
}

function nearest(costs: ReadonlyMap<number, number>, key: number): number | null {
  const [best] = [...costs.keys()].sort((a, b) => Math.abs(a - key) - Math.abs(b - key));
  return best === undefined ? null : costs.get(best)!;
}

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

/** How much the newest value counts: the last ten or so decide. */
const WEIGHT = 0.2;

/** With this, the last hundred: steps with prompts and those without come by turns. */
export const SLOW = 0.02;

/** An exponentially weighted moving average; null until the first value. */
export function movingAverage(average: number | null, value: number, weight = WEIGHT): number {
  return average === null ? value : average + weight * (value - average);
}
