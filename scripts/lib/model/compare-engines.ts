import type { Engine, KvUsage, StepInput, StepOutput } from '../../../services/lib/engine/types.js';

// Looked up once: in a loop over a vocabulary, the global object of a test's realm is slow to ask.
const { abs, exp, log, max } = Math;

interface Comparison {
  /** Tokens that were predicted. */
  readonly tokens: number;
  readonly perplexity: { readonly reference: number; readonly candidate: number };
  /** Of the candidate's next-token distribution from the reference's, in nats, averaged over tokens. */
  readonly divergence: number;
  readonly logitDifference: { readonly mean: number; readonly largest: number };
}

/** Tokens of a window that the reference reads in one step: its caches are exact, so that this changes nothing but the time. */
const BLOCK = 32;

/**
 * Lets two engines of the same whole model read the same text and compares their logits at every token. The
 * windows, of equal length, are read side by side as one batch, by the candidate one token a step: how the model is
 * served. The reference must be in f32.
 */
export async function compareEngines(
  reference: Engine,
  candidate: Engine,
  windows: readonly Int32Array[],
): Promise<Comparison> {
  const length = windows[0]!.length;
  for (const engine of [reference, candidate]) {
    for (const window of windows.keys()) engine.open(`window-${window}`, length);
  }
  const totals = { reference: 0, candidate: 0, divergence: 0, difference: 0, largest: 0, logits: 0 };
  for (let start = 0; start < length - 1; start += BLOCK) {
    const count = Math.min(BLOCK, length - 1 - start);
    const expected = await readOn(reference, windows, start, count);
    for (let at = 0; at < count; at++) {
      const found = await readOn(candidate, windows, start + at, 1);
      const vocabulary = found.length / windows.length;
      for (const [index, window] of windows.entries()) {
        const row = index * count + at;
        const p = expected.subarray(row * vocabulary, (row + 1) * vocabulary);
        const q = found.subarray(index * vocabulary, (index + 1) * vocabulary);
        const [normP, normQ] = [logSumExp(p), logSumExp(q)];
        const next = window[start + at + 1]!;
        totals.reference += normP - p[next]!;
        totals.candidate += normQ - q[next]!;
        for (let token = 0; token < vocabulary; token++) {
          const difference = p[token]! - q[token]!;
          totals.divergence += exp(p[token]! - normP) * (difference - normP + normQ);
          totals.difference += abs(difference);
          totals.largest = max(totals.largest, abs(difference));
        }
        totals.logits += vocabulary;
      }
    }
  }
  const tokens = windows.length * (length - 1);
  return {
    tokens,
    perplexity: {
      reference: exp(totals.reference / tokens),
      candidate: exp(totals.candidate / tokens),
    },
    divergence: totals.divergence / tokens,
    logitDifference: { mean: totals.difference / totals.logits, largest: totals.largest },
  };
}

/** Logits of the next `count` tokens of every window, `[windows, count, vocabulary]`. */
async function readOn(
  engine: Engine,
  windows: readonly Int32Array[],
  position: number,
  count: number,
): Promise<Float32Array> {
  const items = windows.map((_, window) => ({
    sequence: `window-${window}`,
    position,
    count,
    logits: count,
  }));
  const tokens = Int32Array.from(
    windows.flatMap((window) => [...window.subarray(position, position + count)]),
  );
  return (await engine.step({ items, tokens })).logits!;
}

/** Cuts tokens into windows of equal length; what is left over is not used. */
export const windowsOf = (tokens: readonly number[], length: number): Int32Array[] =>
  Array.from({ length: Math.floor(tokens.length / length) }, (_, index) =>
    Int32Array.from(tokens.slice(index * length, (index + 1) * length)),
  );

/** The logarithm of the sum of exponentials: what turns logits into log-probabilities. */
function logSumExp(logits: Float32Array): number {
  let greatest = -Infinity;
  for (const logit of logits) greatest = max(greatest, logit);
  let sum = 0;
  for (const logit of logits) sum += exp(logit - greatest);
  return greatest + log(sum);
}

/** The stages of a model as one engine, without the mesh: each takes the activations of the one before. */
export class ChainedEngine implements Engine {
  readonly #stages: readonly Engine[];

  /** Owns the stages, stage 0 first. */
  constructor(stages: readonly Engine[]) {
    this.#stages = stages;
  }

  get kv(): KvUsage {
    return this.#stages[0]!.kv;
  }

  /** Nothing is cached beforehand. */
  open(sequence: string, maxLength: number): number {
    for (const stage of this.#stages) stage.open(sequence, maxLength);
    return 0;
  }

  close(sequence: string): void {
    for (const stage of this.#stages) stage.close(sequence);
  }

  async step({ tokens, hidden, ...common }: StepInput): Promise<StepOutput> {
    const [first, ...others] = this.#stages;
    let output = await first!.step({ ...common, ...(tokens === undefined ? { hidden } : { tokens }) });
    for (const stage of others) output = await stage.step({ ...common, hidden: output.hidden! });
    return output;
  }

  async dispose(): Promise<void> {
    for (const stage of this.#stages) await stage.dispose();
  }
}
