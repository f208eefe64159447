import { SCENARIOS, type ScenarioResults } from '../../../../scripts/lib/measure/experiment/scenario.js';
import written from '../../../../scripts/lib/measure/experiment/scenarios/expected-knees.json' with { type: 'json' };
import { expectedKnees } from '../../../../scripts/lib/measure/experiment/scenarios/expected-knee.js';
import { scenarioOf } from '../../../../scripts/lib/measure/experiment/scenarios/index.js';
import { requireDevices } from '../../../../scripts/lib/measure/sites/emulated.js';

const all = SCENARIOS.map((name) => scenarioOf(name, { dilation: 1, hopMs: 0.5 }));

it('makes all loads around knees that are written down', () => {
  expect(expectedKnees()).toEqual(written);
});

describe.each(all.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
  const { runs, expectations } = scenario;

  it('has arms that fit their devices, each once', () => {
    for (const { arm } of runs) expect(() => requireDevices(arm)).not.toThrow();
    expect(new Set(runs.map(({ arm }) => arm.name)).size).toBe(runs.length);
  });

  it('has loads whose names tell them apart, and whose levels come one after the other', () => {
    for (const { loads } of runs) {
      expect(new Set(loads.map(({ name }) => name)).size).toBe(loads.length);
      for (const { arrivals, levels } of loads) {
        expect(arrivals.length).toBeGreaterThan(0);
        const end = levels.reduce((sum, { duration }) => sum + duration, 0);
        expect(Math.max(...arrivals.map(({ at }) => at))).toBeLessThanOrEqual(end);
      }
    }
  });

  it('expects something, and judges nothing that was not run', () => {
    const nothing: ScenarioResults = { scenario, outcomes: [], voids: [] };
    expect(expectations.length).toBeGreaterThan(0);
    expect(new Set(expectations.map(({ id }) => id)).size).toBe(expectations.length);
    for (const expectation of expectations) expect(expectation.judge(nothing).right).toBeNull();
  });
});
