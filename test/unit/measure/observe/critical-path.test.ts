import { criticalPath, traceText } from '../../../../scripts/lib/measure/observe/trace.js';
import type { JaegerSpan, JaegerTrace } from '../../../../scripts/lib/local/telemetry/traces.js';

let count = 0;
const span = (
  service: string,
  operationName: string,
  startTime: number,
  end: number,
  tags: Record<string, string | number> = {},
): JaegerSpan => ({
  spanID: String(++count),
  operationName,
  processID: service,
  startTime,
  duration: end - startTime,
  references: [],
  tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
});

const root = span('gateway', 'POST /v1/completions', 0, 100_000);
/** Two chunks that overtake each other in the pipeline, and one decode round that was sampled. */
const trace: JaegerTrace = {
  traceID: 'abc',
  processes: Object.fromEntries(
    ['gateway', 'stage-0', 'stage-1'].map((serviceName) => [serviceName, { serviceName }]),
  ),
  spans: [
    root,
    span('gateway', 'tokenize', 1_000, 2_000),
    span('gateway', 'prefill', 3_000, 42_000),
    span('stage-0', 'stage.prefill', 4_000, 14_000),
    span('stage-1', 'stage.prefill', 15_000, 20_000),
    span('stage-0', 'stage.prefill', 14_000, 24_000),
    span('stage-1', 'stage.prefill', 25_000, 40_000),
    span('gateway', 'decode', 43_000, 99_000),
    span('stage-0', 'stage.decode', 44_000, 50_000, { 'layermesh.stage.batch_size': 4 }),
    span('stage-0', 'stage.sequence', 3_000, 100_000, {
      'layermesh.stage.index': 0,
      'layermesh.stage.replica': 'r',
      'layermesh.stage.layers': '0-9',
      'layermesh.stage.prefill.compute_ms': 20,
      'layermesh.stage.prefill.queue_ms': 0,
      'layermesh.stage.decode.steps': 9,
      'layermesh.stage.decode.compute_ms': 50,
      'layermesh.stage.decode.queue_ms': 1,
    }),
  ],
};

describe('the critical path of a request', () => {
  const path = criticalPath(trace, root);

  it('covers the request without gap or overlap', () => {
    expect(path[0]!.start).toBe(root.startTime);
    expect(path.at(-1)!.end).toBe(100_000);
    for (const [index, segment] of path.slice(1).entries()) expect(segment.start).toBe(path[index]!.end);
  });

  it('goes through what was waited for, and not through what ran beside it', () => {
    const worked = path.flatMap(({ span: work }) =>
      work === null ? [] : [`${work.processID} ${work.operationName} ${work.startTime}`],
    );
    expect(worked).toEqual([
      'gateway tokenize 1000',
      'stage-0 stage.prefill 4000',
      'stage-0 stage.prefill 14000',
      'stage-1 stage.prefill 25000',
      'stage-0 stage.decode 44000',
    ]);
  });

  it('reads as text, with the sums of each stage', () => {
    const text = traceText(trace);
    expect(text).toMatch(/stage-1 stage\.prefill +25\.0 +15\.0/);
    expect(text).toMatch(/\(hop\) +24\.0 +1\.0/);
    expect(text).toMatch(/\(rounds without spans\) +50\.0 +50\.0/);
    expect(text).toMatch(/stage-0 +r +0-9 +20\.0 +0\.0 +9 +50\.0 +1\.0/);
  });
});
