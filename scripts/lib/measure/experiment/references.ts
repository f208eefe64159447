import references from './references.json' with { type: 'json' };

/** Time of a 13B model whose every layer is spread over some devices of one machine: published, not run here. */
interface TensorParallel {
  readonly devices: number;
  /** Milliseconds of a prompt of n tokens alone: a + b n + c n². */
  readonly prefill: readonly number[];
  /** Milliseconds of a decode step, up to 95 sequences: a + b × all their cached tokens + c × their number. */
  readonly decode: readonly number[];
}

export const tensorParallel: readonly TensorParallel[] = references.tensorParallel;

export const TENSOR_PARALLEL_SOURCE: Readonly<Record<'name' | 'url', string>> = {
  name: references.source,
  url: references.url,
};

/** Milliseconds of a prompt of so many tokens alone. */
export function prefillMs({ prefill: [a, b, c] }: TensorParallel, tokens: number): number {
  return a! + b! * tokens + c! * tokens ** 2;
}

/** Milliseconds of a decode step of so many sequences, with so many tokens cached in all. */
export function decodeMs({ decode: [a, b, c] }: TensorParallel, sequences: number, cached: number): number {
  return a! + b! * cached + c! * sequences;
}
