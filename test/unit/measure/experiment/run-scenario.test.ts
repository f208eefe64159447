import { readdirSync } from 'node:fs';
import type { Arm } from '../../../../scripts/lib/measure/experiment/arm.js';
import { RowStore } from '../../../../scripts/lib/measure/experiment/plan.js';
import { resultsOf, runScenario } from '../../../../scripts/lib/measure/experiment/run-scenario.js';
import type {
  Scenario,
  ScenarioLoad,
  ScenarioResults,
} from '../../../../scripts/lib/measure/experiment/scenario.js';
import type { Trial } from '../../../../scripts/lib/measure/experiment/types.js';
import { undilated } from '../../../../scripts/lib/measure/figures/undilated.js';
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
  limits: { ttft: 2_000, tpot: 200 },
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

const slowed = (scenario: Scenario, dilation: number): Scenario => ({
  ...scenario,
  runs: scenario.runs.map((run) => ({
    ...run,
    arm: { ...run.arm, emulated: { ...run.arm.emulated!, dilation } },
  })),
});

async function run(
  rows: string,
  scenario: Scenario,
  site: FakeOptions,
  diary: string[] = [],
): Promise<ScenarioResults> {
  const store = new RowStore(`${folder.path}/${rows}`);
  const options = { site: fakeSite(diary, site), store, onEvent: () => undefined, watch: IDLE };
  await runScenario(scenario, options, never);
  return resultsOf(scenario, store);
}

const inTime = { pods: stepsOf(['in time']) };

it('asks as much later as all is slower, and tells of it as if it had not', async () => {
  const scenario = slowed(scenarioOf(load('one', 0.05)), 4);
  const diary: string[] = [];
  const { outcomes, voids } = await run('dilated', scenario, inTime, diary);
  expect(voids).toEqual([]);
  const [{ measured }] = outcomes as [(typeof outcomes)[0]];
  expect(diary).toContain('kill stage-0');

  const rows = new RowStore(`${folder.path}/dilated/s1`);
  const kept = rows.readTrial('whole', 'one')!;
  // A timer may be a millisecond early.
  expect(kept.records[0]!.sent).toBeGreaterThanOrEqual(199);
  expect(measured.records[0]!.sent).toBe(kept.records[0]!.sent / 4);
  expect(measured.killed![0]!.at - measured.startedAt).toBe((kept.killed![0]!.at - kept.startedAt) / 4);
});

it('goes on where it was, and tells of what is void and why', async () => {
  const scenario = scenarioOf(load('one', 0), load('two', 0.02));
  const first = await run('resumed', scenario, { pods: stepsOf(['in time', 'late']) });
  expect(first.outcomes.map((each) => each.load.name)).toEqual(['one']);
  expect(first.voids).toEqual([
    { arm, load: scenario.runs[0]!.loads[1], reason: expect.stringContaining('late') as string },
  ]);
  const diary: string[] = [];
  const second = await run('resumed', scenario, inTime, diary);
  expect(diary.filter((line) => line === 'settle')).toHaveLength(1);
  expect(second.outcomes.map((each) => each.load.name)).toEqual(['one', 'two']);
  expect(readdirSync(`${folder.path}/resumed/s1`).sort()).toEqual([
    'plan.json',
    'whole-one.json',
    'whole-two.json',
  ]);
});

it.each([
  ['another dilation', slowed(scenarioOf(load('one', 0)), 2)],
  ['another load of the same name', scenarioOf(load('one', 0.01))],
])('does not mix its rows with those of %s', async (what, other) => {
  await run(what, scenarioOf(load('one', 0)), inTime);
  const error = await thrownBy(() => run(what, other, inTime));
  expect(error.code).toBe('invalid_config');
  expect(error.message).toContain('the row of whole and one');
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
  const { records, observations, lives, machineCpuSeconds } = undilated(trial, 4);
  expect(records[0]).toMatchObject({ sent: 10, tokens: [20, 30] });
  expect(observations[0]!.at).toBe(12_000);
  expect(observations[0]!.pods[0]).toMatchObject({
    counters: { busySeconds: 2, timedSteps: 100 },
    service: used,
  });
  expect(lives[0]).toMatchObject({ created: 8_000, started: 11_000, ready: null, ended: 15_000 });
  expect(machineCpuSeconds).toBe(5);
});
