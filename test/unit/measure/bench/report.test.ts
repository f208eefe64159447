import { decidingFlags, processorKind, withSection } from '../../../../scripts/lib/measure/page.js';
import { rawRows, unpublishableReason, type RunHeader } from '../../../../scripts/lib/measure/bench/rows.js';
import { latenciesOf, ratioOf, summarize } from '../../../../scripts/lib/measure/bench/summarize.js';
import { figure, table } from '../../../../scripts/lib/cli/tables.js';
import { recordOf, trialOf } from './records.js';

const process = (cpuSeconds: number) => ({
  name: 'stage-0.1',
  cpuSeconds,
  mainThreadSeconds: 0,
  rssBytes: 0,
});

describe('a summary', () => {
  const level = { ttft: 500, tpot: 100 };
  const trials = [
    trialOf({
      round: 1,
      records: [recordOf({ tokens: [500, 1_000], promptTokens: 8 })],
      usage: { processes: [process(0.5)], clientSeconds: 0.1, otherSeconds: 0.25 },
    }),
    trialOf({
      round: 2,
      records: [recordOf({ tokens: [400, 450, 500], promptTokens: 7 })],
      usage: { processes: [process(0.25)], clientSeconds: 0.1, otherSeconds: 0.125 },
    }),
  ];

  it('has a throughput for each round, and all else over all of them', () => {
    expect(summarize('direct', trials, level)).toEqual({
      arm: 'direct',
      requests: 2,
      failed: 0,
      output: { min: 2, median: 4, max: 6 },
      total: { min: 10, median: 15, max: 20 },
      goodput: 1 / 1.5,
      attainment: 0.5,
      cpuPerThousand: 150,
      clientCpuPerThousand: 40,
      otherLoad: 0.25,
    });
  });

  it('does not guess at processes that it does not know', () => {
    const summary = summarize('url', [trialOf({ records: trials[0]!.records })], level);
    expect(summary).toMatchObject({ cpuPerThousand: null, otherLoad: null });
  });

  it('tells kinds of requests apart', () => {
    const records = [
      recordOf({ kind: 'running', tokens: [10, 20] }),
      recordOf({ kind: 'injected', tokens: [90] }),
      recordOf({ kind: 'running', tokens: [20, 50] }),
    ];
    expect(latenciesOf(records)).toEqual([
      {
        kind: 'running',
        ttft: { p50: 10, p95: 20, p99: 20 },
        itl: { p50: 10, p95: 30, p99: 30 },
        tpot: { p50: 10, p95: 30, p99: 30 },
      },
      { kind: 'injected', ttft: { p50: 90, p95: 90, p99: 90 }, itl: null, tpot: null },
    ]);
  });
});

describe('a ratio', () => {
  const run = (round: number, tokens: number[]) => trialOf({ round, records: [recordOf({ tokens })] });

  it('is taken within rounds, so that what slows a whole round cancels out', () => {
    const ours = [run(1, [100, 200]), run(2, [200, 400]), run(3, [100, 400])];
    const theirs = [run(1, [200, 400]), run(2, [400, 800]), run(3, [100, 400])];
    expect(ratioOf(ours, theirs)).toEqual({
      output: { min: 1, median: 2, max: 2 },
      ttft: { min: 0.5, median: 0.5, max: 1 },
      tpot: { min: 0.5, median: 0.5, max: 1 },
      cpu: null,
    });
  });

  it('leaves out what one of the two does not have', () => {
    expect(ratioOf([run(1, [100])], [run(2, [100])]).output).toBeNull();
    expect(ratioOf([run(1, [100])], [run(1, [100])])).toMatchObject({ ttft: { median: 1 }, tpot: null });
  });
});

describe('results are published', () => {
  const records = [recordOf({ tokens: [1_000] })];

  it('from a quiet machine', () => {
    expect(unpublishableReason([trialOf({ records, usage: { otherSeconds: 0.05 } })])).toBeNull();
  });
  it('not from a busy one', () => {
    const trials = [0.05, 0.25].map((otherSeconds) => trialOf({ records, usage: { otherSeconds } }));
    expect(unpublishableReason(trials)).toContain('0.25 processors');
  });
  it('not when a request failed', () => {
    const failed = recordOf({ error: 'HTTP 503' });
    expect(unpublishableReason([trialOf({ records: [...records, failed] })])).toContain('HTTP 503');
  });

  it('in place of the earlier ones', () => {
    const page = '# Benchmarks\n\nMethod.\n';
    const first = withSection(page, 'Results', 'one');
    expect(first).toBe('# Benchmarks\n\nMethod.\n\n## Results\n\none\n');
    expect(withSection(first, 'Results', 'two')).toBe('# Benchmarks\n\nMethod.\n\n## Results\n\ntwo\n');
  });
});

it('raw rows are JSON from which every figure of a request can be computed again', () => {
  const header: RunHeader = {
    date: '2026-01-02T03:04:05.678Z',
    command: 'npm run bench',
    model: 'model.gguf',
    machine: { cpu: 'c', cores: 2, flags: [], memoryGib: 1, system: 's', node: 'v20' },
    rounds: 1,
    level: { ttft: 1, tpot: 1 },
    versions: {},
  };
  const records = [recordOf({ sent: 1.23456, tokens: [5, 7] }), recordOf({ error: 'no "luck"' })];
  const document = JSON.parse(rawRows(header, [trialOf({ records })])) as { run: unknown; rows: unknown[] };
  expect(document.run).toEqual(header);
  expect(document.rows).toMatchObject([
    { arm: 'direct', load: 'closed-1', round: 1, sent_ms: 1.23, ttft_ms: 3.77, tpot_ms: 2, token_ms: [5, 7] },
    { ttft_ms: null, tpot_ms: null, token_ms: [], error: 'no "luck"' },
  ]);
});

it.each([
  [null, '–'],
  [NaN, '–'],
  [0, '0'],
  [0.01234, '0.0123'],
  [9.876, '9.88'],
  [99.96, '100.0'],
  [1234.5, '1235'],
])('the figure %p reads %s', (value, text) => {
  expect(figure(value)).toBe(text);
});

it('a table has its columns in line', () => {
  expect(table(['a', 'long'], [['wide cell', '1']])).toBe(
    '| a         | long |\n| --------- | ---- |\n| wide cell | 1    |',
  );
});

it('the machine is described by what decides its speed', () => {
  expect(decidingFlags('processor : 0\nflags\t\t: fpu avx2 sse avx512_vnni amx_int8\n')).toEqual([
    'avx2',
    'avx512_vnni',
    'amx_int8',
  ]);
  expect(decidingFlags('Features\t: fp asimd asimddp i8mm')).toEqual(['asimd', 'asimddp', 'i8mm']);
  expect(decidingFlags('')).toEqual([]);
});

it.each([
  ['avx2 avx512f avx512_vnni amx_int8', 'AMX'],
  ['avx2 avx512f avx512_vnni', 'VNNI'],
  ['avx2 avx_vnni', 'VNNI'],
  ['avx2 avx512f', 'AVX2'],
  ['asimd asimddp', 'ARM'],
])('results on a processor with %s are those of %s', (flags, kind) => {
  expect(processorKind({ flags: flags.split(' ') })).toBe(kind);
});
