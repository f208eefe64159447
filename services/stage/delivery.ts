import { ServingError } from '../lib/errors/serving-error.js';
import type { CalleeLink } from '../lib/mesh/callee-link.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import { message } from '../lib/wire/codec.js';
import { frameCost, packFrames, type Rows } from '../lib/wire/frames.js';
import type { Activations } from '../lib/model/activations.js';
import type { StageTime } from '../lib/wire/gen/stage_pb.js';
import type { StepResult } from './engine-messages.js';
import type { Sequence } from './sequence.js';
import { itemAfter, type Part, type StepRun } from './step.js';

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
  run: StepRun,
  alive: (part: Part) => boolean,
): Delivery {
  return 'hidden' in result
    ? passOn(parts, result.hidden, run, alive)
    : answer(parts, result.tokens, run, alive);
}

/** Activations `[rows, hidden]`, to the next stage's replicas. */
function passOn(
  parts: readonly Part[],
  hidden: Activations,
  run: StepRun,
  alive: (part: Part) => boolean,
): Delivery {
  const width = hidden.length / parts.reduce((sum, part) => sum + part.rows, 0);
  const byLink = new Map<CallerLink, Rows[]>();
  let row = 0;
  for (const part of parts) {
    const activations = hidden.subarray(row * width, (row += part.rows) * width);
    const { downstream } = part.sequence;
    if (downstream.to === 'stage' && alive(part))
      append(byLink, downstream.link, { item: itemAfter(part, run), activations });
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
  run: StepRun,
  alive: (part: Part) => boolean,
): Delivery {
  const byLink = new Map<
    CalleeLink,
    { sequence: string; epoch: number; position: number; tokens: number[]; path: StageTime[] }[]
  >();
  const refused: [Sequence, ServingError][] = [];
  let wanting = 0;
  for (const part of parts) {
    const { sequence, content } = part;
    const result = content.item.logits > 0 ? tokens[wanting++]! : [];
    if (!alive(part) || sequence.downstream.to !== 'gateway') continue;
    const { path } = itemAfter(part, run);
    if (content.item.logits === 0) continue;
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
      path,
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
