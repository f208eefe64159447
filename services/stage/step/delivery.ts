import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { CalleeLink } from '../../lib/mesh/callee-link.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';
import type { Activations } from '../../lib/model/activations.js';
import { toSampledFields } from '../../lib/sampling/step-tokens.js';
import { logitRowsOf } from '../../lib/model/step.js';
import { message } from '../../lib/wire/codec.js';
import { frameCost, packFrames, type Rows } from '../../lib/wire/frames.js';
import { StageTimeSchema, type SampledSchema, type StageTime } from '../../lib/wire/gen/stage_pb.js';
import type { PartTime } from '../accounts/account.js';
import type { StepResult } from '../engine/engine-messages.js';
import type { Sequence } from '../sequences/sequence.js';
import type { Part } from './part.js';
import type { StepRun } from './step-runner.js';

export interface Delivery {
  /** Payload bytes of the frames that left. */
  readonly sentBytes: number;
  /** Sequences whose logits could not be sampled. */
  readonly refused: readonly (readonly [Sequence, ServingError])[];
}

type Sampled = Extract<StepResult, { sampled: unknown }>['sampled'];

/**
 * Sends a step's results on: what leaves for the same neighbour leaves as one message. Parts whose sequence
 * has ended meanwhile are dropped.
 */
export function deliver({ parts, result, times }: Pick<StepRun, 'parts' | 'result' | 'times'>): Delivery {
  return 'hidden' in result ? passOn(parts, result.hidden, times) : answer(parts, result.sampled, times);
}

/** Activations `[rows, hidden]`, to the next stage's replicas: under the part's span, and with what it took. */
function passOn(parts: readonly Part[], hidden: Activations, times: readonly PartTime[]): Delivery {
  const width = hidden.length / parts.reduce((sum, { item }) => sum + item.count, 0);
  const byLink = new Map<CallerLink, Rows[]>();
  let row = 0;
  for (const [index, { sequence, item }] of parts.entries()) {
    const activations = hidden.subarray(row * width, (row += item.count) * width);
    const { downstream, isOpen } = sequence;
    if (downstream.to !== 'stage' || !isOpen) continue;
    const time = times[index]!;
    const path = item.logits === 0 ? [] : pathOf(item, time);
    append(byLink, downstream.link, { item: { ...item, parent: time.span, path }, activations });
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

/** Sampled tokens, and what was scored of prompts, to the gateways. */
function answer(parts: readonly Part[], results: Sampled, times: readonly PartTime[]): Delivery {
  const byLink = new Map<CalleeLink, MessageInitShape<typeof SampledSchema>[]>();
  const refused: [Sequence, ServingError][] = [];
  let wanting = 0;
  for (const [index, { sequence, item }] of parts.entries()) {
    if (logitRowsOf(item) === 0) continue;
    const result = results[wanting++]!;
    if (!sequence.isOpen || sequence.downstream.to !== 'gateway') continue;
    if ('code' in result) {
      refused.push([sequence, new ServingError(result.code, result.message)]);
      continue;
    }
    append(byLink, sequence.downstream.link, {
      sequence: sequence.id,
      epoch: sequence.epoch,
      position: item.position + item.count - item.draft.length,
      ...toSampledFields(result),
      path: pathOf(item, times[index]!),
    });
  }
  for (const [link, sampled] of byLink) link.send(message({ case: 'tokens', value: { sampled } }));
  return { sentBytes: 0, refused };
}

/** What the stages up to here took for rows of which a token is wanted. */
const pathOf = ({ path = [] }: Rows['item'], { queue, compute, chunks }: PartTime): StageTime[] => [
  ...path,
  create(StageTimeSchema, {
    queue: toMicros(queue),
    compute: toMicros(compute),
    chunks: chunks.map((chunk) => ({
      rows: chunk.rows,
      compute: toMicros(chunk.compute),
      ago: toMicros(chunk.ago),
    })),
  }),
];

const toMicros = (seconds: number): number => Math.max(0, Math.round(seconds * 1e6));

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
