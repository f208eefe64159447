import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { joined, readMeasured } from '../../../services/console/load/measured.js';
import { rawRows } from '../../../scripts/lib/measure/bench/rows.js';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import type { MapCell } from '../../../scripts/lib/measure/experiment/simulate/map.js';
import type { Trial } from '../../../scripts/lib/measure/types.js';

const record = { kind: 'all', promptTokens: 4, outputTokens: 3 };
const trial: Trial = {
  arm: 'layermesh',
  load: 'closed-2',
  round: 1,
  records: [
    { ...record, sent: 0, tokens: [100, 150, 200], error: null },
    { ...record, sent: 0, tokens: [], error: 'HTTP 503' },
  ],
  usage: { processes: [], stages: [], clientSeconds: 0, otherSeconds: 0 },
};

test('what bench and experiment write', () => {
  const run = { date: '2026-11-29T12:00:00Z', command: 'bench', model: 'm', rounds: 1, versions: {} };
  const header = { ...run, machine: {}, level: { ttft: 1, tpot: 1 } } as unknown as Parameters<
    typeof rawRows
  >[0];
  const arm = {
    arm: 'layermesh',
    load: 'closed-2',
    requests: 2,
    failed: 1,
    tokensPerSecond: 15,
    ttft: 100,
    tpot: 50,
  };
  expect(readMeasured(rawRows(header, [trial]))).toMatchObject({
    kind: 'arms',
    title: 'm, 2026-11-29',
    arms: [arm],
  });
  expect(readMeasured(JSON.stringify(trial))).toMatchObject({ kind: 'arms', arms: [arm] });
});

test('the trace that observe keeps', () => {
  const json = readFileSync(join(repositoryRoot, 'docs', 'observability', 'trace.json'), 'utf8');
  const trace = readMeasured(json);
  if (trace.kind !== 'trace') throw new Error('it is no trace');
  expect(trace.spans[0]).toMatchObject({ process: 'gateway', start: 0 });
  expect(trace.total).toBeGreaterThan(900);
});

test.each(['{}', '{"a": [{}]}', '[1]', 'null', 'x', '{"rows": 3}'])('%s is none of them', (text) => {
  expect(() => readMeasured(text)).toThrow();
});

test('an arm that was run so many times slower is told as it would be', () => {
  const slow = { ...trial, arm: 'split-2-l4-k2' };
  expect(readMeasured(JSON.stringify(slow))).toMatchObject({
    arms: [{ tokensPerSecond: 30, ttft: 50, tpot: 25 }],
  });
});

test('several trials stand side by side, and what is of another kind does not', () => {
  const arms = [trial, { ...trial, load: 'closed-4' }].map((one) => readMeasured(JSON.stringify(one)));
  expect(joined(arms, 's1')).toMatchObject({
    title: 's1',
    arms: [{ load: 'closed-2' }, { load: 'closed-4' }],
  });
  const map = readMeasured(JSON.stringify({ a: [cell({})] }));
  expect(joined([map], 'map')).toBe(map);
  expect(() => joined([map, ...arms], 'both')).toThrow('different kinds');
});

const cell = (fields: Partial<MapCell>): MapCell => ({
  shape: 'llama-2-13b',
  device: 'l4',
  memoryGB: 24,
  arm: 'split-2',
  stages: 2,
  hopMs: 0.5,
  hopName: 'Dapr',
  prompt: 1072,
  output: 128,
  kneePerDevice: 1,
  tokensPerDeviceSecond: 128,
  ttftMs: 100,
  tpotMs: 20,
  ratioToWhole: 1.5,
  breakEvenPriceRatio: null,
  scale: 1,
  ...fields,
});

test('the map of when a split pays: a row for each way to serve, a cell for each prompt and hop', () => {
  const places = {
    one: [
      cell({ arm: 'whole', hopMs: 0, ratioToWhole: 1 }),
      cell({ hopMs: 3, hopName: '', ratioToWhole: 0.9 }),
      cell({}),
      cell({ prompt: 256, ratioToWhole: null }),
      cell({ scale: 0.8, ratioToWhole: 7 }),
    ],
    two: [cell({ device: 'a40', kneePerDevice: 0 }), cell({ shape: 'llama-3-8b' })],
  };
  expect(readMeasured(JSON.stringify(places))).toMatchObject({
    kind: 'map',
    shapes: [
      {
        shape: 'llama-2-13b',
        prompts: [256, 1072],
        hops: [
          { ms: 0.5, name: 'Dapr' },
          { ms: 3, name: '' },
        ],
        rows: [
          {
            device: 'l4',
            arm: 'split-2',
            cells: [
              ['split', null],
              [1.5, 0.9],
            ],
          },
          {
            device: 'a40',
            arm: 'split-2',
            cells: [
              [null, null],
              ['nothing', null],
            ],
          },
        ],
      },
      { shape: 'llama-3-8b', rows: [{ cells: [[1.5]] }] },
    ],
  });
});
