import { reportText } from '../../../scripts/lib/cli/terminal.js';
import type { Report } from '../../../services/gateway/report/report.js';

const stage = (name: string, compute_ms: number): Report['stages'][number] => ({
  stage: name,
  replicas: ['a'],
  tpot_share: compute_ms / 40,
  ttft_share: 0.5,
  decode: { hop_ms: 2, queue_ms: 1, compute_ms },
  prefill: { hop_ms: 2, queue_ms: 1, compute_ms: 20 },
  batch_size: 4,
  step_ms: compute_ms - 1,
  utilisation: 0.5,
  headroom: 2,
});

const report: Report = {
  model: 'demo',
  split: [10],
  window_s: 60,
  sequences: 4,
  tokens_per_second: 100,
  ttft_ms: 80,
  tpot_ms: 40,
  stages: [stage('stage-0', 9), stage('stage-1', 23)],
  hops: { prefill_ms: 6, decode_ms: 6, tpot_share: 0.15 },
  bottleneck: { stage: 'stage-1', evidence: ['its engine computed 50 % of the time'] },
  predictions: [
    { change: 'stage-1 +1 replica', tokens_per_second: 130, tpot_ms: 31, gain: 1.3, guessed: true },
  ],
  advice: { action: 'replica', text: 'Add a replica of stage-1: × 1.30.' },
};

test('a report shows the bottleneck with the longest bar, and what would help', () => {
  const text = reportText(report);
  const bar = (name: string): number => new RegExp(`^${name} +(#+)`, 'm').exec(text)![1]!.length;
  // Forty characters are the 40 ms of a round.
  expect(bar('stage-1')).toBe(23);
  expect(bar('stage-0')).toBe(9);
  expect(text).toContain('Bottleneck: stage-1\n  its engine computed 50 %');
  expect(text).toMatch(/stage-1 \+1 replica +130\.0 tokens\/s +31\.0 ms per token +x 1\.30 at most/);
  expect(text).toMatch(/\n\nAdd a replica of stage-1: × 1\.30\. .*docs\/experiment\.md\.$/);
  expect(text).toContain('100 tokens/s, 80 ms to the first token, 40 ms per further one');
  expect(reportText({ ...report, ttft_ms: null })).toContain('100 tokens/s, 40 ms per further one');
});
