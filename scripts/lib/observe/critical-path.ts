import { SPANS } from '../../../services/lib/telemetry/names.js';
import type { JaegerSpan, JaegerTrace } from '../telemetry/jaeger-trace.js';

/** What the request waited for from `start` to `end`: a span's work, or, without one, what lies between two. */
export interface Segment {
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
