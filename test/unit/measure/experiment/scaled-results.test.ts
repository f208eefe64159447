import { whole } from '../../../../scripts/lib/measure/experiment/fleets.js';
import { scaledResults } from '../../../../scripts/lib/measure/experiment/scaled-results.js';
import type { Outcome, Scenario } from '../../../../scripts/lib/measure/experiment/scenario.js';
import { timePerOutputToken } from '../../../../scripts/lib/measure/figures/requests.js';

const arm = whole('a100-80g', 1);
const scenario: Scenario = { name: 's1', title: '', question: '', runs: [], expectations: [] };
const outcome: Outcome = {
  arm,
  load: {
    name: 'one',
    group: 'all',
    limits: { ttft: 2_000, tpot: 200 },
    seed: 1,
    arrivals: [{ at: 1, kind: 'low', promptTokens: 100, outputTokens: 20 }],
    levels: [{ name: 'low', rate: 0.5, duration: 2 }],
  },
  measured: {
    arm: arm.name,
    load: 'one',
    site: 'nowhere',
    startedAt: 0,
    records: [],
    observations: [{ at: 1, scales: [], pods: [] }],
    lives: [],
    wireBytes: null,
    machineCpuSeconds: null,
    clientCpuSeconds: 0,
  },
  simulated: { records: [] },
};

it('is slower by so much, asked as much later, and knows nothing that only a run can show', () => {
  const at = (scale: number): Outcome =>
    scaledResults({ scenario, outcomes: [outcome], voids: [] }, scale).outcomes[0]!;
  const [plain, slow] = [at(1), at(1.2)];
  expect(slow.load.arrivals[0]!.at).toBeCloseTo(1.2);
  expect(slow.load.levels).toEqual([{ name: 'low', rate: 0.5 / 1.2, duration: 2.4 }]);
  const tpot = ({ measured: { records } }: Outcome): number => timePerOutputToken(records[0]!)!;
  // Hops are what they are.
  expect(tpot(slow) / tpot(plain)).toBeGreaterThan(1.1);
  expect(tpot(slow) / tpot(plain)).toBeLessThan(1.2);
  expect(slow.measured.observations).toEqual([]);
});
