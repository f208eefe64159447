import { ATTRIBUTES, SPANS } from '../../../services/lib/telemetry/names.js';
import { columns } from '../columns.js';
import { tagOf, type JaegerSpan, type JaegerTrace } from '../telemetry/jaeger-trace.js';
import { criticalPath, endOf, type Segment } from './critical-path.js';

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
