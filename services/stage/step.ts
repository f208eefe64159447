import type { StepInput } from '../lib/engine/types.js';
import type { CalleeLink } from '../lib/mesh/callee-link.js';
import type { Rows } from '../lib/wire/frames.js';
import type { Phase } from './metrics.js';
import type { Work } from './scheduler.js';
import type { Sequence } from './sequence.js';

/** A sequence's rows that wait for the engine, and the link that still counts them against its credit. */
export interface Part extends Work {
  readonly sequence: Sequence;
  readonly content: Rows;
  readonly link: CalleeLink;
  /** Seconds, monotonic. */
  readonly arrived: number;
}

/** Payload bytes, as `frameCost` counts them. */
export function bytesOf({ content }: Pick<Part, 'content'>): number {
  return 'tokens' in content ? content.tokens.length * 4 : content.activations.byteLength;
}

export function phaseOf(parts: readonly Part[]): Phase {
  return parts.some((part) => part.rows > 1) ? 'prefill' : 'decode';
}

/** One step's input, its rows copied together into an array that can be handed to the worker thread. */
export function toStepInput(parts: readonly Part[]): StepInput {
  const items = parts.map(({ sequence, content: { item } }) => ({
    sequence: sequence.key,
    position: item.position,
    count: item.count,
    wantLogits: item.wantToken,
  }));
  const tokens = parts.flatMap(({ content }) => ('tokens' in content ? content.tokens : []));
  if (tokens.length > 0) return { items, tokens: Int32Array.from(tokens) };
  const chunks = parts.flatMap(({ content }) => ('activations' in content ? [content.activations] : []));
  const hidden = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    hidden.set(chunk, offset);
    offset += chunk.length;
  }
  return { items, hidden };
}
