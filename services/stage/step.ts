import type { CalleeLink } from '../lib/mesh/callee-link.js';
import type { Rows } from '../lib/wire/frames.js';
import type { DraftedInput } from './engine-messages.js';
import type { Passing } from './batcher.js';
import type { Phase } from './metrics.js';
import type { Sequence } from './sequence.js';

/** A sequence's rows that wait for the engine, and the link that still counts them against its credit. */
export interface Part extends Passing {
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

/** A sequence's rows as they arrived. Rows of which no logits are wanted are a prompt's; drafted ones are decoding. */
export function partOf(sequence: Sequence, content: Rows, link: CalleeLink, arrived: number): Part {
  const { position, count, logits } = content.item;
  const phase = logits < count ? 'prefill' : 'decode';
  return { sequence, position, rows: count, phase, comesBack: logits > 0, content, link, arrived };
}

/** Cuts a part of a prompt in two after so many rows; only the end of a prompt wants a token. */
export function dividePart(part: Part, rows: number): readonly [Part, Part] {
  const { sequence, content, link, arrived } = part;
  const { item } = content;
  const first = { ...item, count: rows, logits: 0, draft: [] };
  const rest = { ...item, position: item.position + rows, count: item.count - rows };
  const [head, tail] = divideRows(content, rows);
  return [
    partOf(sequence, { ...head, item: first }, link, arrived),
    partOf(sequence, { ...tail, item: rest }, link, arrived),
  ];
}

function divideRows(content: Rows, rows: number): readonly [Rows, Rows] {
  if ('tokens' in content) {
    const { tokens } = content;
    return [
      { ...content, tokens: tokens.slice(0, rows) },
      { ...content, tokens: tokens.slice(rows) },
    ];
  }
  const { activations, item } = content;
  const end = (activations.length / item.count) * rows;
  return [
    { ...content, activations: activations.subarray(0, end) },
    { ...content, activations: activations.subarray(end) },
  ];
}

/** A step is prefill as soon as it has rows of a prompt. */
export function phaseOf(parts: readonly Part[]): Phase {
  return parts.some(({ phase }) => phase === 'prefill') ? 'prefill' : 'decode';
}

/** One step's input, its rows copied together into an array that can be handed to the worker thread. */
export function toStepInput(parts: readonly Part[]): DraftedInput {
  const items = parts.map(({ sequence, content: { item } }) => ({
    sequence: sequence.key,
    position: item.position,
    count: item.count,
    logits: item.logits,
    draft: item.draft,
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
