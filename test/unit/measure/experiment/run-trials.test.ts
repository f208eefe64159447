import { RowStore } from '../../../../scripts/lib/measure/experiment/plan.js';
import { runTrials, type PlannedTrial } from '../../../../scripts/lib/measure/experiment/run-trials.js';
import type { Arm } from '../../../../scripts/lib/measure/experiment/arm.js';
import type { Site } from '../../../../scripts/lib/measure/experiment/types.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { lifeOf, podOf, seenAt } from './seen.js';

const folder = temporaryFolder();
const never = new AbortController().signal;

const arm: Arm = { name: 'x', title: 'an arm', split: [], stages: [], mesh: 'dapr' };

const request = { kind: 'request', promptTokens: 2, outputTokens: 3 };

const trialOf = (name: string, delayMs: number | null = null): PlannedTrial => ({
  name,
  schedule: { type: 'closed', clients: 1, requests: [request] },
  delayMs,
});

/** Answers at once, keeps a diary, and breaks while it settles before the load named. */
function fakeSite(diary: string[], breaksAt?: number): Site {
  let settled = 0;
  const say = (what: string): Promise<void> => {
    diary.push(what);
    return Promise.resolve();
  };
  return {
    describe: () => Promise.resolve('nowhere'),
    close: () => Promise.resolve(),
    deploy: async (deployed) => {
      await say(`deploy ${deployed.name}`);
      return {
        target: {
          complete: ({ prompt, outputTokens }, onTokens) => {
            diary.push(`ask ${prompt.length}`);
            onTokens(outputTokens);
            return Promise.resolve();
          },
        },
        observe: () => Promise.resolve(seenAt(Date.now() / 1000, { pods: [podOf({})] })),
        lives: () => [lifeOf({})],
        delay: async (ms) => {
          await say(`delay ${ms}`);
          let over = false;
          return async () => {
            if (!over) await say('no delay');
            over = true;
            return { gateway: 7 };
          };
        },
        settle: () => {
          if (++settled === breaksAt) throw new Error('does not settle');
          return say('settle');
        },
        stop: () => say('stop'),
      };
    },
  };
}

const optionsOf = (name: string, site: Site) => ({
  site,
  store: new RowStore(`${folder.path}/${name}`),
  seed: 1,
  onEvent: () => undefined,
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
  await expect(runTrials(arm, planned, optionsOf('resumed', fakeSite(broken, 2)), never)).rejects.toThrow(
    'does not settle',
  );
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
