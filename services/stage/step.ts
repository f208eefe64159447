import { create } from '@bufbuild/protobuf';
import type { CalleeLink } from '../lib/mesh/callee-link.js';
import { joinActivations } from '../lib/model/activations.js';
import type { ItemFields, Rows } from '../lib/wire/frames.js';
import { StageTimeSchema, type StageTime } from '../lib/wire/gen/stage_pb.js';
import type { DraftedInput } from './engine-messages.js';
import type { Passing } from './batcher.js';
import type { Phase } from './metrics.js';
import type { TracedStep } from './sequence-spans.js';
import type { Sequence } from './sequence.js';

/** A sequence's rows that wait for the engine, and the link that still counts them against its credit. */
export interface Part extends Passing {
  readonly sequence: Sequence;
  readonly content: Rows;
  readonly link: CalleeLink;
  readonly arrival: Arrival;
}

/** When rows came, and how long their sequence had been computed by then; seconds, monotonic. */
export interface Arrival {
  readonly at: number;
  readonly computed: number;
}

/** Payload bytes, as `frameCost` counts them. */
export function bytesOf({ content }: Pick<Part, 'content'>): number {
  return 'tokens' in content ? content.tokens.length * 4 : content.activations.byteLength;
}

/** A sequence's rows as they arrived. Rows of which no logits are wanted are a prompt's; drafted ones are decoding. */
export function partOf(sequence: Sequence, content: Rows, link: CalleeLink, arrival: Arrival): Part {
  const { position, count, logits } = content.item;
  const phase = logits < count ? 'prefill' : 'decode';
  return { sequence, position, rows: count, phase, comesBack: logits > 0, content, link, arrival };
}

/** Cuts a part of a prompt in two after so many rows; only the end of a prompt wants a token. */
export function dividePart(part: Part, rows: number): readonly [Part, Part] {
  const { sequence, content, link, arrival } = part;
  const { item } = content;
  const first = { ...item, count: rows, logits: 0, draft: [] };
  const rest = { ...item, position: item.position + rows, count: item.count - rows };
  const [head, tail] = divideRows(content, rows);
  return [
    partOf(sequence, { ...head, item: first }, link, arrival),
    partOf(sequence, { ...tail, item: rest }, link, arrival),
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
  return { items, hidden: joinActivations(chunks) };
}

/** A step that ran: when, of how many sequences, and which of the replica's it was. Seconds, monotonic. */
export type StepRun = Pick<TracedStep, 'started' | 'ended' | 'batchSize' | 'step'>;

/** A part's item as it leaves after its step: the next stage's span goes under ours, and its time behind ours. */
export function itemAfter(
  { sequence, content: { item }, arrival, phase, rows }: Part,
  run: StepRun,
): ItemFields {
  const { clock, spans } = sequence;
  const { started, ended } = run;
  const since = Math.min(started, clock.waitingSince(arrival.at));
  const parent = spans?.ran({ ...run, phase, since, tokens: rows }, item.parent ?? '') ?? '';
  if (item.logits === 0) return { ...item, parent, path: [] };
  const compute = clock.computed(started) - arrival.computed + (ended - started);
  const queue = ended - arrival.at - compute;
  return {
    ...item,
    parent,
    path: [...(item.path ?? []), stageTime(queue, compute)],
  };
}

const stageTime = (queue: number, compute: number): StageTime =>
  create(StageTimeSchema, { queue: toMicros(queue), compute: toMicros(compute) });

const toMicros = (seconds: number): number => Math.max(0, Math.round(seconds * 1e6));
