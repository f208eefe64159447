import { reactionTable } from '../../../../scripts/lib/measure/reaction/page.js';

const reaction = (visible: number, decided: number, ready: number, serving: number | null) => ({
  app: 'stage-1',
  breach: visible,
  visible,
  decided,
  scheduled: decided,
  ready,
  serving,
  unused: null,
});

it('a table of reactions has each part, what did not happen, and medians', () => {
  const rows = reactionTable([
    { reaction: reaction(1_500, 9_500, 15_000, 16_000), answered: 40, failures: [] },
    { reaction: reaction(2_500, 12_500, 18_000, null), answered: 30, failures: ['503'] },
    { reaction: null, answered: 5, failures: [] },
  ])
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
  expect(rows[0]!.slice(2)).toEqual([
    'load to metric, s',
    'metric to HPA, s',
    'HPA to ready, s',
    'ready to first token, s',
    'in all, s',
    'answered',
    'failed',
  ]);
  expect(rows.slice(2)).toEqual([
    ['1', 'stage-1', '1.50', '8.00', '5.50', '1.00', '16.0', '40', '0'],
    ['2', 'stage-1', '2.50', '10.0', '5.50', '–', '–', '30', '1'],
    ['3', 'none', '–', '–', '–', '–', '–', '5', '0'],
    ['median', '', '2.00', '9.00', '5.50', '1.00', '16.0', '75', '1'],
  ]);
});
