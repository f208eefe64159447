import { readdirSync } from 'node:fs';
import type { Arm } from '../../../../scripts/lib/measure/experiment/arm.js';
import { RowStore } from '../../../../scripts/lib/measure/experiment/plan.js';
import { runScenario, undilatedTrial } from '../../../../scripts/lib/measure/experiment/run-scenario.js';
import type { Scenario, ScenarioLoad } from '../../../../scripts/lib/measure/experiment/scenario.js';
import type { Trial } from '../../../../scripts/lib/measure/experiment/types.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { fakeSite, IDLE, stepsOf, type FakeOptions } from './fake-site.js';
import { lifeOf, podOf, seenAt } from './seen.js';

const folder = temporaryFolder();
const never = new AbortController().signal;

const arm: Arm = {
  name: 'whole',
  title: 'an arm',
  split: [],
  stages: [{ name: 'stage-0', min: 1, max: 1, milliCpu: 0, sidecarMilliCpu: 0, device: 'a100-80g' }],
  mesh: 'dapr',
  emulated: { shape: 'llama-2-13b', start: null, storageGBps: null, dilation: 1, hopMs: 1 },
};
const request = { kind: 'low', promptTokens: 2, outputTokens: 3 };
const load = (name: string, ...at: number[]): ScenarioLoad => ({
  name,
  group: 'all',
  seed: 1,
  arrivals: at.map((each) => ({ ...request, at: each })),
  levels: [],
});
const scenarioOf = (...loads: ScenarioLoad[]): Scenario => ({
  name: 's1',
  title: 'a scenario',
  question: 'Does it run?',
  runs: [{ arm, loads, kills: [{ stage: 'stage-0', at: 0.01 }] }],
  expectations: [],
});

const run = (rows: string, scenario: Scenario, dilate: number, site: FakeOptions, diary: string[] = []) =>
  runScenario(
    scenario,
    {
      site: fakeSite(diary, site),
      store: new RowStore(`${folder.path}/${rows}`),
      onEvent: () => undefined,
      dilate,
      watch: IDLE,
    },
    never,
  );

const inTime = { pods: stepsOf(['in time']) };

it('asks as much later as all is slower, and tells of it as if it had not', async () => {
  const scenario = scenarioOf(load('one', 0.05));
  const diary: string[] = [];
  const { outcomes, voids } = await run('dilated', scenario, 4, inTime, diary);
  expect(voids).toEqual([]);
  const [{ arm: ran, measured }] = outcomes as [(typeof outcomes)[0]];
  expect(ran.emulated!.dilation).toBe(4);
  expect(diary).toContain('kill stage-0');

  const rows = new RowStore(`${folder.path}/dilated/s1`);
  const kept = rows.readTrial('whole', 'one')!;
  expect(kept.records[0]!.sent).toBeGreaterThanOrEqual(200);
  expect(measured.records[0]!.sent).toBe(kept.records[0]!.sent / 4);
  expect(measured.killed![0]!.at - measured.startedAt).toBe((kept.killed![0]!.at - kept.startedAt) / 4);
});

it('goes on where it was, and tells of what is void and why', async () => {
  const scenario = scenarioOf(load('one', 0), load('two', 0.02));
  const first = await run('resumed', scenario, 1, { pods: stepsOf(['in time', 'late']) });
  expect(first.outcomes.map((each) => each.load.name)).toEqual(['one']);
  expect(first.voids).toEqual([
    { arm, load: scenario.runs[0]!.loads[1], reason: expect.stringContaining('late') as string },
  ]);
  const diary: string[] = [];
  const second = await run('resumed', scenario, 1, inTime, diary);
  expect(diary.filter((line) => line === 'settle')).toHaveLength(1);
  expect(second.outcomes.map((each) => each.load.name)).toEqual(['one', 'two']);
  expect(readdirSync(`${folder.path}/resumed/s1`).sort()).toEqual([
    'plan.json',
    'whole-one.json',
    'whole-two.json',
  ]);
});

it.each([
  ['another dilation', scenarioOf(load('one', 0)), 2, 'dilation 1, not 2'],
  ['another load of the same name', scenarioOf(load('one', 0.01)), 1, 'the row of whole and one'],
])('does not mix its rows with those of %s', async (what, other, dilate, message) => {
  await run(what, scenarioOf(load('one', 0)), 1, inTime);
  const error = await thrownBy(() => run(what, other, dilate, inTime));
  expect(error.code).toBe('invalid_config');
  expect(error.message).toContain(message);
});

it('undoes dilation in all that is modelled, and in nothing else', () => {
  const counters = { busySeconds: 8, timedSteps: 100 };
  const used = { cpuSeconds: 12, rssBytes: 1 };
  const trial: Trial = {
    arm: 'whole',
    load: 'one',
    site: 'nowhere',
    startedAt: 10_000,
    records: [{ ...request, sent: 40, tokens: [80, 120], error: null }],
    observations: [seenAt(18, { pods: [podOf({ counters, service: used })] })],
    lives: [lifeOf({ created: 2_000, started: 14_000, ready: null, ended: 30_000 })],
    wireBytes: null,
    machineCpuSeconds: 5,
    clientCpuSeconds: 1,
  };
  const { records, observations, lives, machineCpuSeconds } = undilatedTrial(trial, 4);
  expect(records[0]).toMatchObject({ sent: 10, tokens: [20, 30] });
  expect(observations[0]!.at).toBe(12_000);
  expect(observations[0]!.pods[0]).toMatchObject({
    counters: { busySeconds: 2, timedSteps: 100 },
    service: used,
  });
  expect(lives[0]).toMatchObject({ created: 8_000, started: 11_000, ready: null, ended: 15_000 });
  expect(machineCpuSeconds).toBe(5);
});
