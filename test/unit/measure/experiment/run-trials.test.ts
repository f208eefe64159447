import { RowStore } from '../../../../scripts/lib/measure/experiment/plan.js';
import { runTrials, type PlannedTrial } from '../../../../scripts/lib/measure/experiment/run-trials.js';
import type { Arm } from '../../../../scripts/lib/measure/experiment/arm.js';
import type { Site } from '../../../../scripts/lib/measure/experiment/types.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { fakeSite, IDLE, stepsOf } from './fake-site.js';

const folder = temporaryFolder();
const never = new AbortController().signal;

const arm: Arm = { name: 'x', title: 'an arm', split: [], stages: [], mesh: 'dapr' };

const request = { kind: 'request', promptTokens: 2, outputTokens: 3 };

const trialOf = (name: string, delayMs: number | null = null): PlannedTrial => ({
  name,
  schedule: { type: 'closed', clients: 1, requests: [request] },
  delayMs,
});

const optionsOf = (name: string, site: Site) => ({
  site,
  store: new RowStore(`${folder.path}/${name}`),
  seed: 1,
  onEvent: () => undefined,
  watch: IDLE,
});

it('runs every load on one deployment, each from the same state, and stops it', async () => {
  const diary: string[] = [];
  const trials = await runTrials(
    arm,
    [trialOf('one'), trialOf('two', 5)],
    optionsOf('whole', fakeSite(diary)),
    never,
  );
  expect(diary.filter((line) => line !== 'ask 64')).toEqual([
    'deploy x',
    'settle',
    'ask 2',
    'settle',
    'delay 5',
    'ask 2',
    'no delay',
    'stop',
  ]);
  expect(trials.map(({ load, wireBytes }) => [load, wireBytes])).toEqual([
    ['one', null],
    ['two', { gateway: 7 }],
  ]);
  for (const { records, observations, lives } of trials) {
    expect(records).toEqual([expect.objectContaining({ outputTokens: 3, error: null })]);
    expect(observations.length).toBeGreaterThanOrEqual(2);
    expect(lives).toHaveLength(1);
  }
});

it('keeps what was measured before something broke, and goes on from there', async () => {
  const planned = [trialOf('one'), trialOf('two')];
  const broken: string[] = [];
  await expect(
    runTrials(arm, planned, optionsOf('resumed', fakeSite(broken, { breaksAt: 2 })), never),
  ).rejects.toThrow('does not settle');
  expect(broken.at(-1)).toBe('stop');

  const diary: string[] = [];
  const trials = await runTrials(arm, planned, optionsOf('resumed', fakeSite(diary)), never);
  expect(diary.filter((line) => line === 'settle')).toHaveLength(1);
  expect(trials.map(({ load }) => load)).toEqual(['one', 'two']);

  const again: string[] = [];
  expect(await runTrials(arm, planned, optionsOf('resumed', fakeSite(again)), never)).toEqual(trials);
  expect(again).toEqual([]);
});

it('stops what it deployed when it is interrupted', async () => {
  const diary: string[] = [];
  const controller = new AbortController();
  const site = fakeSite(diary);
  const schedule = { type: 'open', arrivals: [{ ...request, at: 60 }] } as const;
  const running = runTrials(
    arm,
    [{ name: 'long', schedule, delayMs: null }],
    {
      ...optionsOf('interrupted', site),
      onEvent: (message) => {
        if (message === 'x: long') setImmediate(() => controller.abort());
      },
    },
    controller.signal,
  );
  await expect(running).rejects.toThrow('aborted');
  expect(diary.at(-1)).toBe('stop');
});

it('takes replicas away at their time, and no more of them than the load lasts', async () => {
  const diary: string[] = [];
  const arrivals = [{ ...request, at: 0.3 }];
  const kills = [
    { stage: 'stage-1', at: 60 },
    { stage: 'stage-0', at: 0.05 },
  ];
  const planned: PlannedTrial = { ...trialOf('kills'), schedule: { type: 'open', arrivals }, kills };
  const [trial] = await runTrials(arm, [planned], optionsOf('kills', fakeSite(diary)), never);
  expect(diary.filter((line) => !line.startsWith('ask 6'))).toEqual([
    'deploy x',
    'settle',
    'kill stage-0',
    'ask 2',
    'stop',
  ]);
  expect(trial!.killed).toEqual([{ stage: 'stage-0', pod: 'stage-0-x', at: expect.any(Number) as number }]);
  expect(trial!.killed![0]!.at - trial!.startedAt).toBeGreaterThanOrEqual(45);
});

describe('an emulated arm', () => {
  const emulated = { shape: 'llama-2-13b', start: null, storageGBps: null, dilation: 1, hopMs: 0 };
  const timed: Arm = { ...arm, emulated };
  const settled = (diary: string[]) => diary.filter((line) => line === 'settle').length;

  it('is measured again where it did not keep its times, until it does', async () => {
    const diary: string[] = [];
    const site = fakeSite(diary, { pods: stepsOf(['late', 'in time']) });
    const [trial] = await runTrials(timed, [trialOf('one')], optionsOf('late', site), never);
    expect(settled(diary)).toBe(2);
    expect(trial!.void).toBeNull();
  });

  it('is kept as void after three attempts, and measured anew by the next call', async () => {
    const diary: string[] = [];
    const options = (pods: ReturnType<typeof stepsOf>) => optionsOf('void', fakeSite(diary, { pods }));
    const [late] = await runTrials(timed, [trialOf('one')], options(stepsOf(['late'])), never);
    expect(settled(diary)).toBe(3);
    expect(late!.void).toContain('of the steps were late');
    const [good] = await runTrials(timed, [trialOf('one')], options(stepsOf(['in time'])), never);
    expect(good!.void).toBeNull();
    await runTrials(timed, [trialOf('one')], options(stepsOf(['late'])), never);
    expect(settled(diary)).toBe(4);
  });

  it('is void where nobody saw a step, and on a machine that was too busy', async () => {
    const unseen = optionsOf('unseen', fakeSite([], { pods: () => [] }));
    expect((await runTrials(timed, [trialOf('one')], unseen, never))[0]!.void).toBe('no step was seen');
    const busy = () => () => ({ machineSeconds: 1, clientSeconds: 0, host: { busy: 0.9, throttled: 0 } });
    const site = fakeSite([], { pods: stepsOf(['in time']) });
    const options = { ...optionsOf('busy', site), watch: busy };
    expect((await runTrials(timed, [trialOf('one')], options, never))[0]!.void).toContain('90 % busy');
  });

  it('does not take a row of another arm or load', async () => {
    const options = optionsOf('others', fakeSite([], { pods: stepsOf(['in time']) }));
    await runTrials(timed, [{ ...trialOf('one'), of: 'a' }], options, never);
    const error = await thrownBy(() => runTrials(timed, [{ ...trialOf('one'), of: 'b' }], options, never));
    expect(error.code).toBe('invalid_config');
  });
});
