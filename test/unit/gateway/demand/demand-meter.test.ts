import { LoadedStages } from './loaded-stages.js';

const of = (told: readonly ReadonlyMap<string, number>[], stage: string): number[] =>
  told.map((each) => each.get(stage) ?? NaN);

/** What an autoscaler makes of a number, as Kubernetes does: it rounds up, and leaves a tenth alone. */
function replicasOver(demands: readonly number[]): number[] {
  let replicas = 1;
  return demands.map((demand) => {
    if (Math.abs(demand / replicas - 1) > 0.1) replicas = Math.max(1, Math.ceil(demand));
    return replicas;
  });
}

const changes = (values: readonly number[]): number =>
  values.filter((value, index) => index > 0 && value !== values[index - 1]).length;

describe('the demand for replicas', () => {
  it('is the work that comes over the share that a replica may compute', () => {
    const mesh = new LoadedStages([0.002, 0.01, 0.004]);
    // 1.5 requests of 40 tokens a second: 0.12, 0.6 and 0.24 engine seconds each second.
    const last = mesh.run(120, 1.5).at(-1)!;
    // Of so few requests one more or less falls into two seconds, and the most of late counts.
    for (const [index, work] of [0.12, 0.6, 0.24].entries()) {
      const over = last.get(`stage-${index}`)! / (work / 0.7);
      expect(over).toBeGreaterThan(0.95);
      expect(over).toBeLessThan(1.4);
    }
  });

  it('is what a load needs that no replica can serve, within two seconds of its rise', () => {
    const mesh = new LoadedStages([0.002, 0.01, 0.004]);
    mesh.run(60, 1);
    const told = mesh.run(30, 10);
    // After two seconds as much as is certain of it, then all of it: 10 * 40 * 0.01 / 0.7.
    expect(of(told, 'stage-1')[3]!).toBeGreaterThan(2);
    expect(of(told, 'stage-1').at(-1)! / (4 / 0.7)).toBeCloseTo(1, 0);
    expect(Math.max(...of(told, 'stage-1'))).toBeLessThan((4 / 0.7) * 1.5);
    // The idlest would need another one for so much, 0.8 / 0.7, but one of the slowest lets no more than a quarter through.
    expect(Math.max(...of(told, 'stage-0'))).toBeLessThan(0.7);
    mesh.stages[1]!.replicas = 6;
    expect(Math.ceil(mesh.run(30, 10).at(-1)!.get('stage-0')!)).toBe(2);
  });

  it('does not flap in a square wave', () => {
    const mesh = new LoadedStages([0.01]);
    mesh.run(30, 1);
    const wave = Array.from({ length: 15 }, () => [mesh.run(10, 6), mesh.run(10, 1)]).flat(2);
    const settled = replicasOver(of(wave, 'stage-0')).slice(60);
    expect(Math.min(...settled)).toBeGreaterThan(1);
    expect(changes(settled)).toBe(0);
    // 6 * 40 * 0.01 / 0.7, and not more than half as much again.
    expect(Math.max(...of(wave, 'stage-0'))).toBeLessThan((2.4 / 0.7) * 1.5);
  });

  it('goes by itself where nothing comes, and is unknown before anything came', () => {
    const mesh = new LoadedStages([0.01, 0.01]);
    expect(mesh.run(10, 0).at(-1)).toEqual(new Map());
    mesh.run(30, 4);
    const before = mesh.meter.demanded().get('stage-0')!;
    const idle = of(mesh.run(300, 0), 'stage-0');
    // Not at once, for it may come back.
    expect(idle[40]).toBeCloseTo(before, 5);
    expect(idle.at(-1)).toBeLessThan(0.02);
  });

  it('grows for a stage that becomes slow, and for no other', () => {
    const mesh = new LoadedStages([0.005, 0.005, 0.005]);
    const before = mesh.run(60, 2).at(-1)!;
    mesh.stages[1]!.secondsPerToken = 0.012;
    const after = mesh.run(60, 2).at(-1)!;
    expect(after.get('stage-1')! / before.get('stage-1')!).toBeCloseTo(2.4, 0);
    expect(after.get('stage-0')! / before.get('stage-0')!).toBeCloseTo(1, 1);
  });

  it('stays what it was when a replica comes', () => {
    const mesh = new LoadedStages([0.01]);
    const before = mesh.run(60, 1.5).at(-1)!.get('stage-0')!;
    mesh.stages[0]!.replicas = 2;
    const after = of(mesh.run(60, 1.5), 'stage-0');
    for (const value of after.slice(20)) expect(value / before).toBeCloseTo(1, 0);
  });

  it('is a share, of which those of all gateways add up', () => {
    const one = new LoadedStages([0.01]).run(120, 4).at(-1)!.get('stage-0')!;
    const half = new LoadedStages([0.01], { gateways: 2 }).run(120, 4).at(-1)!.get('stage-0')!;
    expect((2 * half) / one).toBeCloseTo(1, 1);
  });

  it('is by KV room where that is what runs out', () => {
    const mesh = new LoadedStages([0.0001], { kvCapacity: 1_000, kvTokens: 2_700 });
    expect(mesh.run(60, 2).at(-1)!.get('stage-0')).toBeCloseTo(3, 5);
  });

  it('wants one replica of a stage at zero while anything waits', () => {
    const mesh = new LoadedStages([0.01, 0.01]);
    for (const stage of mesh.stages) stage.replicas = 0;
    mesh.run(1, 0);
    expect([mesh.meter.active, mesh.meter.demanded().get('stage-0')]).toEqual([false, 0]);
    const [first] = mesh.run(1, 2);
    expect([mesh.meter.active, first!.get('stage-1')]).toEqual([true, 1]);
  });
});
