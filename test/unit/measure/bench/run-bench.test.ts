import { setTimeout as delay } from 'node:timers/promises';
import { benchCommand, type BenchOptions } from '../../../../scripts/lib/measure/bench/options.js';
import { loadsOf } from '../../../../scripts/lib/measure/bench/loads.js';
import { ownNames } from '../../../../scripts/lib/measure/bench/arms.js';
import { loadReport } from '../../../../scripts/lib/measure/bench/load-report.js';
import { runBench } from '../../../../scripts/lib/measure/bench/run-bench.js';
import type { Arm, Served, Trial } from '../../../../scripts/lib/measure/types.js';

const never = new AbortController().signal;

const parse = async (...args: string[]): Promise<BenchOptions> => {
  let options: BenchOptions | null = null;
  const command = benchCommand((parsed) => {
    options = parsed;
    return Promise.resolve();
  });
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  await command.parseAsync(args, { from: 'user' });
  return options!;
};

/** Answers at once, and keeps a diary. */
function fakeArm(name: string, diary: string[], more: Partial<Arm> = {}): Arm {
  const served: Served = {
    target: {
      complete: ({ prompt, outputTokens }, onTokens) => {
        diary.push(`${name} ${prompt.join()}`);
        onTokens(outputTokens);
        return Promise.resolve();
      },
    },
    version: `${name} 1.0`,
    processes: [],
    stages: [],
    stop: () => {
      diary.push(`stop ${name}`);
      return Promise.resolve();
    },
  };
  return {
    name,
    peer: false,
    sized: false,
    start: ({ clients }) => {
      diary.push(`start ${name} for ${clients}`);
      return Promise.resolve(served);
    },
    ...more,
  };
}

const smallLoads = async (...args: string[]) =>
  loadsOf(await parse('--prompt-tokens', '2', '--output-tokens', '3', ...args));

const run = async (arms: Arm[], rounds: number, ...args: string[]) => {
  const trials: Trial[] = [];
  const loads = await smallLoads(...args);
  const events = { onStart: () => undefined, onTrial: (trial: Trial) => trials.push(trial) };
  const versions = await runBench({ arms, loads, rounds, seed: 1 }, events, never);
  return { trials, loads, versions };
};

describe('a run', () => {
  it('gives a request so many times as long as everything takes', async () => {
    const silent: Served = {
      target: { complete: (_completion, _onTokens, signal) => delay(60_000, undefined, { signal }) },
      version: '1',
      processes: [],
      stages: [],
      stop: () => Promise.resolve(),
    };
    const arms = [fakeArm('silent', [], { start: () => Promise.resolve(silent) })];
    const trials: Trial[] = [];
    const events = { onStart: () => undefined, onTrial: (trial: Trial) => trials.push(trial) };
    const loads = await smallLoads('--concurrency', '4');
    await runBench({ arms, loads, rounds: 1, seed: 1, stretch: 1 / 20_000 }, events, never);
    const errors = trials.flatMap(({ records }) => records.map(({ error }) => error));
    expect(errors.length).toBeGreaterThan(0);
    expect(new Set(errors)).toEqual(new Set(['not within 0.03 s']));
  });

  it('lets arms take turns, one at a time', async () => {
    const diary: string[] = [];
    const { trials, versions } = await run(
      [fakeArm('ours', diary), fakeArm('theirs', diary, { sized: true, peer: true })],
      2,
      '--concurrency',
      '1,2',
    );
    expect(diary.filter((line) => line.startsWith('st'))).toEqual([
      'start ours for 2',
      'stop ours',
      'start theirs for 1',
      'stop theirs',
      'start theirs for 2',
      'stop theirs',
      'start theirs for 1',
      'stop theirs',
      'start theirs for 2',
      'stop theirs',
      'start ours for 2',
      'stop ours',
    ]);
    expect(trials.map(({ arm, load, round }) => `${round} ${arm} ${load}`)).toEqual([
      '1 ours closed-1',
      '1 ours closed-2',
      '1 theirs closed-1',
      '1 theirs closed-2',
      '2 theirs closed-1',
      '2 theirs closed-2',
      '2 ours closed-1',
      '2 ours closed-2',
    ]);
    expect([...versions]).toEqual([
      ['ours', 'ours 1.0'],
      ['theirs', 'theirs 1.0'],
    ]);
  });

  it('asks every arm the same, never the same twice, and throws the warm-up away', async () => {
    const diary: string[] = [];
    const { trials } = await run([fakeArm('one', diary), fakeArm('two', diary)], 2, '--concurrency', '2');
    const asked = (name: string): string[] =>
      diary.flatMap((line) => (line.startsWith(`${name} `) ? [line.slice(name.length)] : []));
    expect([...asked('one')].sort()).toEqual([...asked('two')].sort());
    expect(new Set(asked('one')).size).toBe(2 * (2 + 12));
    expect(trials.map(({ records }) => records.length)).toEqual([12, 12, 12, 12]);
  });

  it('measures an arm under the loads alone that are for it', async () => {
    const diary: string[] = [];
    const [load] = await smallLoads('--concurrency', '1');
    const loads = [
      { ...load!, name: 'all' },
      { ...load!, name: 'one', arms: ['one'] },
    ];
    const trials: Trial[] = [];
    const events = { onStart: () => undefined, onTrial: (trial: Trial) => trials.push(trial) };
    const arms = [fakeArm('one', diary), fakeArm('two', diary), fakeArm('three', diary, { sized: true })];
    await runBench({ arms, loads, rounds: 1, seed: 1 }, events, never);
    expect(trials.map(({ arm, load: name }) => `${arm} ${name}`)).toEqual([
      'one all',
      'one one',
      'two all',
      'three all',
    ]);
  });

  it('stops what it started when a trial fails', async () => {
    const diary: string[] = [];
    const broken = fakeArm('broken', diary);
    const start: Arm['start'] = async (size, signal) => ({
      ...(await broken.start(size, signal)),
      stages: [{ name: 'stage-0.1', metricsUrl: 'http://127.0.0.1:1/metrics' }],
    });
    await expect(run([{ ...broken, start }], 1, '--concurrency', '1')).rejects.toThrow('fetch failed');
    expect(diary.at(-1)).toBe('stop broken');
  });
});

it('a report has the taxes, and the ratio to each peer', async () => {
  const arms = ['unsplit', 'direct', 'dapr'].map((name) => fakeArm(name, []));
  arms.push(fakeArm('llama-server', [], { peer: true }));
  const { trials, loads } = await run(arms, 1, '--concurrency', '1');
  const report = loadReport(loads[0]!, trials, { arms, level: { ttft: 1_000, tpot: 100 } });
  const labels = report.split('\n').flatMap((line) => /^\| ([^|]* \/ \S+) *\|/.exec(line)?.[1] ?? []);
  expect(labels).toEqual([
    'split tax: direct / unsplit',
    'mesh tax: dapr / direct',
    'both: dapr / unsplit',
    'unsplit / llama-server',
    'direct / llama-server',
    'dapr / llama-server',
  ]);
  expect(report).toContain('### Closed loop, 1 client, prompt 2, output 3, 12 requests a round');
});

it('a report names each reason why requests failed', async () => {
  const refused: Served['target'] = { complete: () => Promise.reject(new Error('HTTP 429: busy')) };
  const arm = fakeArm('direct', []);
  const start: Arm['start'] = async (size, signal) => ({
    ...(await arm.start(size, signal)),
    target: refused,
  });
  const { trials, loads } = await run([{ ...arm, start }], 1, '--concurrency', '1');
  const report = loadReport(loads[0]!, trials, { arms: [arm], level: { ttft: 1_000, tpot: 100 } });
  expect(report).toContain('- 12 × direct: HTTP 429: busy');
  expect(report).toMatch(/\| direct +\| 12 +\| 12 +\|/);
});

describe('the command', () => {
  it('measures the split system by default', async () => {
    expect(ownNames(await parse())).toEqual(['dapr']);
    expect(ownNames(await parse('--mesh', 'direct'))).toEqual(['direct']);
    expect(ownNames(await parse('--workload', 'bars'))).toEqual(['unsplit', 'direct', 'dapr', 'dapr-plain']);
  });

  it('measures no arm twice', async () => {
    expect(ownNames(await parse('--arms', 'unsplit,split,dapr,direct'))).toEqual([
      'unsplit',
      'dapr',
      'direct',
    ]);
  });

  it('takes lists, and an endpoint with or without /v1', async () => {
    expect(await parse('--url', 'http://h:1/v1/', '--rate', '0.5,2', '--concurrency', '1,8')).toMatchObject({
      url: 'http://h:1',
      rate: [0.5, 2],
      concurrency: [1, 8],
    });
  });

  it.each([
    ['--arms', 'half'],
    ['--compare', 'vllm'],
    ['--rate', '0'],
    ['--concurrency', '1,,2'],
    ['--url', 'here'],
    ['--workload', 'w1'],
    ['--arms', 'dapr', '--url', 'http://h:1'],
  ])('refuses %s %s', async (...args) => {
    await expect(parse(...args)).rejects.toThrow();
  });
});
