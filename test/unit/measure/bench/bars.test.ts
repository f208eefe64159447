import { barsReport } from '../../../../scripts/lib/measure/bench/bars.js';
import type { Trial } from '../../../../scripts/lib/measure/types.js';
import { recordOf, trialOf } from './records.js';

const arms = [
  { name: 'dapr', peer: false },
  { name: 'dapr-plain', peer: false },
  { name: 'direct', peer: false },
  { name: 'unsplit', peer: false },
  { name: 'slow-peer', peer: true },
  { name: 'fast-peer', peer: true },
  { name: 'guessing-peer', peer: true, speculates: true },
  { name: 'openvino-genai', peer: true },
];

/** A request of 10 tokens: so many a second, of which the first came after `ttft` ms. */
const at = (arm: string, load: string, rate: number, ttft = 100): Trial => {
  const last = 10_000 / rate;
  return trialOf({ arm, load, records: [recordOf({ tokens: [ttft, ...Array<number>(9).fill(last)] })] });
};

/** The measured value and the verdict of each row, by bar and arm. */
function rowsOf(trials: readonly Trial[]): Map<string, string> {
  const lines = barsReport(trials, arms)
    .split('\n')
    .filter((line) => line.startsWith('| '));
  return new Map(
    lines.slice(2).map((line) => {
      const [, name, bound, arm, value, met] = line.split('|').map((cell) => cell.trim());
      return [`${name!}, ${arm!}`, `${value!} ${bound!} ${met!}`];
    }),
  );
}

const row = (trials: readonly Trial[], name: string, arm = 'dapr'): string =>
  rowsOf(trials).get(`${name}, ${arm}`) ?? 'no such row';

it('what was not measured is not met', () => {
  const rows = [...rowsOf([]).values()];
  expect(rows.length).toBeGreaterThan(15);
  for (const text of rows) expect(text).toMatch(/^not measured .* \*\*no\*\*$/);
});

it('an arm that does not run is held to nothing', () => {
  const report = barsReport(
    [],
    arms.filter(({ name }) => name !== 'dapr-plain'),
  );
  expect(report).toContain('| dapr ');
  expect(report).not.toContain('dapr-plain');
});

describe('against peers', () => {
  const trials = [
    at('dapr', 'closed-16', 150, 80),
    at('dapr-plain', 'closed-16', 120, 160),
    at('slow-peer', 'closed-16', 50, 10),
    at('fast-peer', 'closed-16', 100, 100),
  ];
  const output = 'output tokens/s against the fastest peer, 16 clients';
  const ttft = 'TTFT p50 against the fastest peer, 16 clients';

  it('the fastest counts', () => {
    expect(row(trials, output)).toBe('1.50 (1.50–1.50), fast-peer ≥ 1.25 yes');
    expect(row(trials, output, 'dapr-plain')).toBe('1.20 (1.20–1.20), fast-peer ≥ 1.00 yes');
  });

  it('time to first token is compared with the fastest in tokens', () => {
    expect(row(trials, ttft)).toBe('0.800 (0.800–0.800), fast-peer ≤ 1.00 yes');
    expect(row(trials, ttft, 'dapr-plain')).toBe('1.60 (1.60–1.60), fast-peer ≤ 1.00 **no**');
  });

  it('who guesses is held against those that guess, too, and who does not against those that do not', () => {
    const more = [...trials, at('guessing-peer', 'closed-16', 125, 160)];
    expect(row(more, output)).toBe('1.20 (1.20–1.20), guessing-peer ≥ 1.25 **no**');
    expect(row(more, ttft)).toBe('0.500 (0.500–0.500), guessing-peer ≤ 1.00 yes');
    expect(row(more, output, 'dapr-plain')).toBe('1.20 (1.20–1.20), fast-peer ≥ 1.00 yes');
  });

  it('processor time is of a token, of all that serves', () => {
    const spent = (arm: string, cpuSeconds: readonly number[]): Trial => {
      const trial = at(arm, 'closed-16', 100);
      const processes = cpuSeconds.map((seconds, index) => ({
        name: String(index),
        cpuSeconds: seconds,
        mainThreadSeconds: 0,
        rssBytes: 0,
      }));
      return { ...trial, usage: { ...trial.usage, processes } };
    };
    const name = 'CPU seconds per 1k tokens against openvino-genai, 16 clients';
    const peer = spent('openvino-genai', [2]);
    expect(row([peer, spent('dapr', [1, 1.1])], name)).toBe('1.05 (1.05–1.05) ≤ 1.10 yes');
    expect(row([peer, spent('dapr-plain', [2, 1])], name, 'dapr-plain')).toBe(
      '1.50 (1.50–1.50) ≤ 1.10 **no**',
    );
    // Of a server that somebody else runs it is not known.
    expect(row([at('openvino-genai', 'closed-16', 1), spent('dapr', [1])], name)).toMatch(/^not measured/);
  });
});

it('a tax is what is lost', () => {
  const trials = [
    at('unsplit', 'closed-16', 100),
    at('direct', 'closed-16', 80),
    { ...at('unsplit', 'closed-16', 100), round: 2 },
    { ...at('direct', 'closed-16', 90), round: 2 },
    at('dapr', 'closed-16', 76),
    at('dapr', 'closed-1', 90),
    at('direct', 'closed-1', 100),
  ];
  expect(row(trials, 'split tax, 16 clients')).toBe('15.0 % (10.0 %–20.0 %) ≤ 15.0 % yes');
  expect(row(trials, 'mesh tax, 16 clients')).toBe('5.0 % (5.0 %–5.0 %) ≤ 8.0 % yes');
  expect(row(trials, 'mesh tax, 1 client')).toBe('10.0 % (10.0 %–10.0 %) ≤ 8.0 % **no**');
});

it('a long prompt may stall others for a while, and wait for them for a while', () => {
  const records = [
    recordOf({ kind: 'alone', sent: 0, tokens: [100] }),
    recordOf({ kind: 'running', sent: 200, tokens: [210, 220, 230, 240, 290, 300, 310] }),
    recordOf({ kind: 'injected', sent: 235, tokens: [385] }),
  ];
  const trials = [trialOf({ arm: 'dapr', load: 'long-prompt-8', records })];
  expect(row(trials, 'ITL p99 of 8 clients while a long prompt comes, against their p50')).toBe(
    '5.00 (5.00–5.00) ≤ 3.00 **no**',
  );
  expect(row(trials, 'TTFT of the long prompt beside 8 clients, against alone')).toBe(
    '1.50 (1.50–1.50) ≤ 2.00 yes',
  );
});

it('a second request is held against the first of its pair', () => {
  const pair = (first: number, second: number) => [
    recordOf({ kind: 'first', tokens: [first] }),
    recordOf({ kind: 'second', tokens: [second] }),
  ];
  const records = [...pair(1_000, 200), ...pair(500, 200), ...pair(400, 40)];
  const trials = [trialOf({ arm: 'dapr', load: 'shared-prefix', records })];
  expect(row(trials, 'TTFT of a second request with a shared prefix, against the first')).toBe(
    '0.200 (0.100–0.400) ≤ 0.250 yes',
  );
});

it('a second request that failed does not meet the bar', () => {
  const records = [recordOf({ kind: 'first', tokens: [100] }), recordOf({ kind: 'second', tokens: [] })];
  const trials = [trialOf({ arm: 'dapr', load: 'shared-prefix', records })];
  expect(row(trials, 'TTFT of a second request with a shared prefix, against the first')).toMatch(/no\*\*$/);
});

it('speculation is held against the same without', () => {
  const trials = [at('dapr', 'rewrite-1', 140), at('dapr-plain', 'rewrite-1', 100)];
  expect(row(trials, '"rewrite this text" with speculation against without, 1 client')).toBe(
    '1.40 (1.40–1.40) ≥ 1.50 **no**',
  );
});

it('growth is the least step from one number of clients to the next, by medians', () => {
  const name = 'growth: least ratio of tokens/s to that of fewer clients, 1 to 32';
  const rates = [
    ['closed-1', 100],
    ['closed-16', 400],
    ['closed-4', 200],
    ['closed-32', 380],
  ] as const;
  const falling = rates.map(([load, rate]) => at('dapr', load, rate));
  expect(row(falling, name)).toBe('0.950 (0.950–0.950) ≥ 1.00 **no**');
  // One bad round of three is noise.
  const more = [2, 3].flatMap((round) =>
    rates.map(([load, rate]) => ({ ...at('dapr', load, load === 'closed-32' ? 410 : rate), round })),
  );
  expect(row([...falling, ...more], name)).toMatch(/^1\.02 .* yes$/);
});
