import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMeasured } from '../../../services/console/load/measured.js';
import { rawRows } from '../../../scripts/lib/measure/bench/rows.js';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
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

test.each(['{}', '[1]', 'null', 'x', '{"rows": 3}'])('%s is none of them', (text) => {
  expect(() => readMeasured(text)).toThrow();
});
