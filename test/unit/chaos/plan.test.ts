import { chaosCommand, type ChaosOptions, FAULT_KINDS, planFaults } from '../../../scripts/lib/chaos/plan.js';

describe('the plan of faults', () => {
  it('is a function of seed and duration alone', () => {
    expect(planFaults(1, 60, FAULT_KINDS)).toEqual(planFaults(1, 60, FAULT_KINDS));
    expect(planFaults(2, 60, FAULT_KINDS)).not.toEqual(planFaults(1, 60, FAULT_KINDS));
  });

  it('has every kind at least once, in order, within the duration', () => {
    for (const duration of [10, 47, 600]) {
      const plan = planFaults(7, duration, FAULT_KINDS);
      const times = plan.map(({ at }) => at);
      expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
      expect(times).toEqual([...times].sort((one, other) => one - other));
      expect(times.every((at) => at >= 0 && at < duration)).toBe(true);
    }
  });

  it('begins alike however long it lasts', () => {
    const first = planFaults(3, 60, FAULT_KINDS);
    expect(planFaults(3, 600, FAULT_KINDS).slice(0, first.length)).toEqual(first);
  });

  it('does the same of a kind when others are left out', () => {
    const all = planFaults(5, 120, FAULT_KINDS);
    expect(planFaults(5, 120, ['flood', 'kill'])).toEqual(
      all.filter(({ kind }) => kind === 'flood' || kind === 'kill'),
    );
  });

  it('draws other numbers for every fault', () => {
    const seeds = [1, 2, 3].flatMap((seed) => planFaults(seed, 600, FAULT_KINDS).map((fault) => fault.seed));
    expect(new Set(seeds).size).toBe(seeds.length);
  });
});

describe('npm run chaos', () => {
  const parse = async (...args: string[]): Promise<ChaosOptions> => {
    let parsed: ChaosOptions | null = null;
    const command = chaosCommand((options) => {
      parsed = options;
      return Promise.resolve();
    });
    command.exitOverride().configureOutput({ writeErr: () => undefined });
    await command.parseAsync(args, { from: 'user' });
    return parsed!;
  };

  it('does all faults on two replicas of every stage in f32, when it is told nothing', async () => {
    expect(await parse()).toMatchObject({ faults: FAULT_KINDS, replicas: 2, precision: 'f32', seed: 1 });
  });

  it('does just those that it is told', async () => {
    expect((await parse('--faults', 'flood, kill')).faults).toEqual(['kill', 'flood']);
  });

  it.each([
    ['--duration', '9'],
    ['--faults', 'kill,murder'],
    ['--faults', ''],
    ['--site', 'moon'],
  ])('refuses %s "%s"', async (...args) => {
    await expect(parse(...args)).rejects.toThrow(/invalid/);
  });
});
