import type { Engine, StepOutput } from '../../services/lib/engine/types.js';

/** Tokens of one sequence in a step; logits of its last are wanted. */
export interface Part {
  readonly sequence: string;
  readonly position: number;
  readonly tokens: readonly number[];
}

/** Runs a step through a chain of stages, each of which takes the activations of the one before. */
export async function stepThrough(
  engines: readonly Engine[],
  parts: readonly Part[],
): Promise<Float32Array[]> {
  const items = parts.map(({ sequence, position, tokens }) => ({
    sequence,
    position,
    count: tokens.length,
    wantLogits: true,
  }));
  let output: StepOutput = {};
  for (const [stage, engine] of engines.entries()) {
    const input = stage === 0 ? { tokens: Int32Array.from(parts.flatMap(({ tokens }) => tokens)) } : output;
    output = await engine.step({ items, ...input });
  }
  const logits = output.logits!;
  const vocabulary = logits.length / parts.length;
  return parts.map((_, index) => logits.slice(index * vocabulary, (index + 1) * vocabulary));
}

export const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[index]!)), 0);

/** The length of `a - b` over that of `b`. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  const length = (values: Float32Array): number => Math.hypot(...values);
  return length(a.map((value, index) => value - b[index]!)) / length(b);
}
