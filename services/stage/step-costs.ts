import { SMALLEST_BUCKET } from '../lib/engine/kv/arena.js';
import { movingAverage } from './average.js';

/** A step that ran. */
export interface StepRun {
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

  /** Of a step of about so many running sequences, seconds; null until one has run. */
  decode(sequences: number): number | null {
    return sequences === 0 ? 0 : (this.#decode.get(decodeKey(sequences)) ?? null);
  }

  /** Of a prompt's row at such a depth, or at the nearest that is known, seconds; null until one has run. */
  promptRow(depth: number): number | null {
    return nearest(this.#promptRow, depthKey(depth));
  }

  observe({ decodes, promptRows, depth, seconds }: StepRun): void {
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
