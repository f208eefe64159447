import { ServingError } from '../lib/errors/serving-error.js';
import type { CalleeLink } from '../lib/mesh/callee-link.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import { message } from '../lib/wire/codec.js';
import { frameCost, packFrames, type Rows } from '../lib/wire/frames.js';
import type { StepResult } from './engine-messages.js';
import type { Sequence } from './sequence.js';
import type { Part } from './step.js';

export interface Delivery {
  /** Payload bytes of the frames that left. */
  readonly sentBytes: number;
  /** Sequences whose logits could not be sampled. */
  readonly refused: readonly (readonly [Sequence, ServingError])[];
}

/**
 * Sends a step's results on: what leaves for the same neighbour leaves as one message. Parts whose sequence
 * is no longer `alive` are dropped.
 */
export function deliver(
  parts: readonly Part[],
  result: StepResult,
  alive: (part: Part) => boolean,
): Delivery {
  return 'hidden' in result ? passOn(parts, result.hidden, alive) : answer(parts, result.tokens, alive);
}

/** Activations `[rows, hidden]`, to the next stage's replicas. */
function passOn(parts: readonly Part[], hidden: Float32Array, alive: (part: Part) => boolean): Delivery {
  const width = hidden.length / parts.reduce((sum, part) => sum + part.rows, 0);
  const byLink = new Map<CallerLink, Rows[]>();
  let row = 0;
  for (const part of parts) {
    const activations = hidden.subarray(row * width, (row += part.rows) * width);
    const { downstream } = part.sequence;
    if (downstream.to === 'stage' && alive(part))
      append(byLink, downstream.link, { item: part.content.item, activations });
  }
  let sentBytes = 0;
  for (const [link, rows] of byLink) {
    for (const frame of packFrames(rows)) {
      link.sendFrame(frame);
      sentBytes += frameCost(frame);
    }
  }
  return { sentBytes, refused: [] };
}

/** Sampled tokens, to the gateways. */
function answer(
  parts: readonly Part[],
  tokens: Extract<StepResult, { tokens: unknown }>['tokens'],
  alive: (part: Part) => boolean,
): Delivery {
  const byLink = new Map<
    CalleeLink,
    { sequence: string; epoch: number; position: number; tokens: number[] }[]
  >();
  const refused: [Sequence, ServingError][] = [];
  const wanting = parts.filter((part) => part.content.item.logits > 0);
  for (const [index, part] of wanting.entries()) {
    const result = tokens[index]!;
    const { sequence, content } = part;
    if (!alive(part) || sequence.downstream.to !== 'gateway') continue;
    if ('code' in result) {
      refused.push([sequence, new ServingError(result.code, result.message)]);
      continue;
    }
    const { position, count, draft } = content.item;
    append(byLink, sequence.downstream.link, {
      sequence: sequence.id,
      epoch: sequence.epoch,
      position: position + count - draft.length,
      tokens: [...result],
    });
  }
  for (const [link, sampled] of byLink) link.send(message({ case: 'tokens', value: { sampled } }));
  return { sentBytes: 0, refused };
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
