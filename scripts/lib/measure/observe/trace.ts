import { randomBytes } from 'node:crypto';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { ATTRIBUTES, SPANS } from '../../../../services/lib/telemetry/names.js';
import { columns } from '../../cli/tables.js';
import type { SystemOptions } from '../../local/local-system.js';
import type { TelemetryPrograms } from '../../local/telemetry/programs.js';
import { findTrace, tagOf, type JaegerSpan, type JaegerTrace } from '../../local/telemetry/traces.js';
import { clientKey } from '../../shown-keys.js';
import { waitUntil } from '../../wait-until.js';
import { load, withSystem } from './systems.js';

/** What the request waited for from `start` to `end`: a span's work, or, without one, what lies between two. */
interface Segment {
  readonly span: JaegerSpan | null;
  readonly start: number;
  readonly end: number;
}

/** Spans that are work themselves; all others only hold such. */
const WORK: ReadonlySet<string> = new Set([
  SPANS.tokenize,
  SPANS.admission,
  SPANS.route,
  SPANS.stagePrefill,
  SPANS.stageDecode,
]);

/** Two clocks' readings of one moment. */
const SLACK = 50;

/**
 * The critical path of a request, walked backwards from its end: what it waited for at any moment is the work that
 * had ended last before. Chunks of a prompt that overtake each other in the pipeline so count once.
 */
export function criticalPath({ spans }: JaegerTrace, root: JaegerSpan): Segment[] {
  const left = spans
    .filter(({ operationName }) => WORK.has(operationName))
    .sort((a, b) => endOf(b) - endOf(a));
  const path: Segment[] = [];
  let now = endOf(root);
  for (const span of left) {
    const end = Math.min(endOf(span), now);
    // It began after what it was waited for: this ran beside the path.
    if (endOf(span) > now + SLACK || end <= span.startTime) continue;
    if (end < now) path.push({ span: null, start: end, end: now });
    path.push({ span, start: span.startTime, end });
    now = span.startTime;
  }
  if (now > root.startTime) path.push({ span: null, start: root.startTime, end: now });
  return path.reverse();
}

export const endOf = ({ startTime, duration }: JaegerSpan): number => startTime + duration;

const WIDTH = 48;

/** A trace as text: its critical path with a bar for each piece, and the exact sums of every stage. */
export function traceText(trace: JaegerTrace): string {
  const root = trace.spans.find(({ operationName }) => operationName.startsWith('POST '));
  if (root === undefined) return 'no request';
  const path = criticalPath(trace, root);
  const rows = path.map((segment) => rowOf(trace, root, segment));
  return [
    `${root.operationName}, ${milliseconds(root.duration)} ms, trace ${trace.traceID}`,
    columns([['waited for', 'from ms', 'for ms', 'batch', ''], ...rows]),
    `All steps, from the closing span of each stage:\n${columns([SUMS_HEAD, ...sums(trace)])}`,
  ].join('\n\n');
}

function rowOf(trace: JaegerTrace, root: JaegerSpan, { span, start, end }: Segment): string[] {
  const at = (time: number): number => Math.round(((time - root.startTime) / root.duration) * WIDTH);
  const [from, to] = [at(start), Math.max(at(start) + 1, at(end))];
  const bar = ' '.repeat(from) + (span === null ? '-' : '#').repeat(to - from);
  return [
    span === null ? between(trace, start, end) : nameOf(trace, span),
    milliseconds(start - root.startTime),
    milliseconds(end - start),
    span === null ? '' : String(tagOf(span, ATTRIBUTES.batchSize) ?? ''),
    bar,
  ];
}

const nameOf = ({ processes }: JaegerTrace, { processID, operationName }: JaegerSpan): string =>
  `${processes[processID]!.serviceName} ${operationName}`;

/** In decoding only some rounds have spans: the others are between them. */
function between({ spans }: JaegerTrace, start: number, end: number): string {
  const middle = (start + end) / 2;
  const phase = [SPANS.prefill, SPANS.decode].find((name) =>
    spans.some((span) => span.operationName === name && span.startTime <= middle && middle <= endOf(span)),
  );
  if (phase === undefined) return '(gateway)';
  const longest = spans.filter(({ operationName }) => operationName === SPANS.stageDecode);
  const isHop = phase === SPANS.prefill || end - start < Math.max(...longest.map(({ duration }) => duration));
  return isHop ? '(hop)' : '(rounds without spans)';
}

const SUMS_HEAD = [
  'stage',
  'replica',
  'layers',
  'prefill ms',
  'waited',
  'decode steps',
  'decode ms',
  'waited',
];

function sums(trace: JaegerTrace): string[][] {
  return trace.spans
    .filter(({ operationName }) => operationName === SPANS.stageSequence)
    .sort((a, b) => Number(tagOf(a, ATTRIBUTES.stage)) - Number(tagOf(b, ATTRIBUTES.stage)))
    .map((span) => {
      const of = (key: string): string => Number(tagOf(span, key)).toFixed(1);
      return [
        trace.processes[span.processID]!.serviceName,
        String(tagOf(span, ATTRIBUTES.replica)),
        String(tagOf(span, ATTRIBUTES.layers)),
        of(ATTRIBUTES.prefillComputeMs),
        of(ATTRIBUTES.prefillQueueMs),
        String(tagOf(span, ATTRIBUTES.decodeSteps)),
        of(ATTRIBUTES.decodeComputeMs),
        of(ATTRIBUTES.decodeQueueMs),
      ];
    });
}

const milliseconds = (micros: number): string => (micros / 1000).toFixed(1);

const EXPORTED_MS = 30_000;

const request = {
  model: 'default',
  messages: [{ role: 'user', content: 'Why is the sky blue? Answer in one sentence.' }],
  max_tokens: 64,
  temperature: 0,
};

/** The trace of one chat request beside three others that run, as Jaeger has it. */
export async function exampleTrace(
  plan: SystemOptions,
  programs: TelemetryPrograms,
  signal: AbortSignal,
): Promise<JaegerTrace> {
  return withSystem({ ...plan, telemetry: programs }, null, signal, async (system) => {
    const others = { clients: 3, requests: 1, promptTokens: 32, outputTokens: 128 };
    await load(system.url, { ...others, outputTokens: 8, seed: 1 }, signal);
    const id = randomBytes(16).toString('hex');
    await Promise.all([load(system.url, { ...others, seed: 2 }, signal), ask(system.url, id, signal)]);
    return whole(system.telemetry!.urls.jaeger!, id, plan.split.length + 1, signal);
  });
}

async function ask(url: string, traceId: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      traceparent: `00-${traceId}-${'1'.repeat(16)}-01`,
      ...clientKey(),
    },
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw new Error(`the example failed: ${await response.text()}`);
  await response.text();
}

/** Waits until all stages have told of the end of the sequence. */
async function whole(jaeger: string, id: string, stages: number, signal: AbortSignal): Promise<JaegerTrace> {
  const look = async (): Promise<JaegerTrace | null> => {
    const trace = await findTrace(jaeger, id, signal);
    const names = trace?.spans.map(({ operationName }) => operationName) ?? [];
    const closed = names.filter((name) => name === SPANS.stageSequence).length;
    return closed === stages && names.some((name) => name.startsWith('POST ')) ? trace : null;
  };
  const trace = await waitUntil(look, { every: 200, limit: EXPORTED_MS, signal });
  if (trace !== null) return trace;
  throw new ServingError('process_failed', `the trace ${id} did not come to Jaeger whole`);
}
