import { measure, type Measured } from '../../../../services/gateway/report/measure.js';
import { predictReplica } from '../../../../services/gateway/report/predict.js';
import { predictMerge } from '../../../../services/gateway/report/better-merge.js';
import { predictSplit } from '../../../../services/gateway/report/better-split.js';
import { reportOf } from '../../../../services/gateway/report/report.js';
import { RoundLog } from '../../../../services/gateway/report/round-log.js';
import { totalsOf } from './totals.js';

const WINDOW = 10;

interface Setting {
  /** Of each stage, for a step of the group. */
  readonly seconds: readonly number[];
  readonly sequences: number;
  readonly hops: number;
  /** Whether stages sleep (as a fault makes them) or use the processors that they share. */
  readonly sleeping?: boolean;
  /** Whether each replica has a machine of its own. */
  readonly apart?: boolean;
  readonly replicas?: number;
}

/** A system in which one group of sequences goes round for ten seconds; steps cost half a fixed part. */
function run({ seconds, sequences, hops, sleeping = true, apart = false, replicas = 1 }: Setting): Measured {
  const round = seconds.reduce((sum, each) => sum + each, hops);
  const rounds = Math.round(WINDOW / round);
  const log = new RoundLog();
  for (let index = 0; index < rounds * sequences; index++) {
    log.add(
      {
        phase: 'decode',
        route: seconds.map((_, stage) => ({ appId: `stage-${stage}`, replica: `r${stage}` })),
        roundTrip: round,
        before: 0,
        path: seconds.map((each) => ({ queue: 0, compute: each })),
        tokens: 1,
      },
      (index % WINDOW) + 0.5,
    );
  }
  const totals = seconds.flatMap((each, stage) =>
    Array.from({ length: replicas }, (_, index) => totalsOfReplica(each, stage, index)),
  );
  function totalsOfReplica(each: number, stage: number, index: number) {
    const busy = rounds * each;
    const process = { uptimeSeconds: WINDOW, processorSeconds: sleeping ? 0 : 2 * busy };
    const decode = totalsOf(Array(rounds).fill({ parts: sequences / replicas, busy: each }), process);
    const half = totalsOf([{ parts: sequences / replicas / 2, busy: 0.75 * each }]);
    const whole = totalsOf([{ parts: sequences / replicas, busy: each }]);
    const ever = {
      ...decode,
      steps: 2,
      parts: half.parts + whole.parts,
      busySeconds: half.busySeconds + whole.busySeconds,
      partsSquared: half.partsSquared + whole.partsSquared,
      partsBySeconds: half.partsBySeconds + whole.partsBySeconds,
    };
    return {
      appId: `stage-${stage}`,
      replica: `r${stage}.${index}`,
      processors: { owner: apart ? `machine ${stage}.${index}` : 'one machine', count: 2 },
      hops: { fromGateway: 0.001, toNext: stage === seconds.length - 1 ? 0 : 0.001 },
      prefill: totalsOf([], process),
      decode,
      ever: { prefill: totalsOf([]), decode: ever },
    };
  }
  return measure(
    seconds.map((_, stage) => `stage-${stage}`),
    WINDOW,
    log.window(WINDOW, WINDOW),
    totals,
  );
}

const costs = { layers: 12, layer: 1, head: 0 };
const ROOM = { waiting: 0, stages: [{ kvUsed: 1, kvCapacity: 10 }] };

describe('the measures of a window', () => {
  const measured = run({ seconds: [0.01, 0.03, 0.01], sequences: 16, hops: 0.01 });

  it('tell how busy each stage is, and how many sequences run', () => {
    expect(measured.stages[1]!.utilisation).toBeCloseTo(0.5, 1);
    expect(measured.stages[1]!.batch).toBe(16);
    expect(measured.sequences).toBeCloseTo(16, 0);
    expect(measured.tokenRate).toBeCloseTo(16 / 0.06, -1);
  });

  it('name the stage that has not told of a step', () => {
    const log = new RoundLog();
    expect(() => measure(['stage-0'], WINDOW, log.window(WINDOW, 0), [])).toThrow('stage-0 has not told');
  });

  it('become a report that names the busiest stage, whose parts sum to the whole', () => {
    const report = reportOf(measured, { name: 'm', split: [4, 8], costs }, ROOM);
    expect(report.bottleneck.stage).toBe('stage-1');
    const shares = report.stages.reduce((sum, stage) => sum + stage.tpot_share, report.hops.tpot_share);
    expect(shares).toBeCloseTo(1, 2);
    const [first] = report.stages;
    // Four hops: into each of the three stages, and to the gateway.
    expect(first!.decode.hop_ms).toBeCloseTo(report.hops.decode_ms / 4, 2);
    expect(report.predictions[1]!.change).toBe('stage-1 +1 replica');
    expect(report.predictions[3]!.change).toBe('stage-0 and stage-1 merged');
    expect(report.advice.action).toBe('merge');
    // Nothing began in the window, which is not the same as at once.
    expect(report.ttft_ms).toBeNull();
  });
});

describe('a further replica', () => {
  const apart = { seconds: [0.01, 0.03, 0.01], sequences: 16, hops: 0.01, apart: true };

  it('serves a group of its own: one more of them goes round, and smaller ones', () => {
    // Stages are busy with 0.05 / 0.03 groups, then with 0.05 / 0.015, which is twice as many. Steps are half fixed, so those
    // of eight take three quarters, and their round 0.0475.
    expect(predictReplica(run(apart), 1).gain).toBeCloseTo((2 * 8) / 0.0475 / (16 / 0.06), 2);
  });

  it('brings nothing to a stage that the others do not wait for', () => {
    const twoGroups = { ...run({ ...apart, hops: 0, sequences: 64 }), sequences: 128 };
    // Steps of half as many, which take three quarters.
    expect(predictReplica(twoGroups, 1).gain).toBeCloseTo(1 / 0.75, 5);
    expect(predictReplica(twoGroups, 2).gain).toBeCloseTo(1, 5);
  });

  it('brings nothing where its processors are those of the others', () => {
    const measured = run({ seconds: [0.02, 0.02], sequences: 16, hops: 0, sleeping: false });
    expect(predictReplica(measured, 1).gain).toBeCloseTo(1);
  });

  it('brings as much to a stage that computes as to one that sleeps, with processors of its own', () => {
    const gains = [true, false].map((sleeping) => predictReplica(run({ ...apart, sleeping }), 1).gain);
    expect(gains[1]).toBeCloseTo(gains[0]!, 5);
    expect(gains[0]).toBeGreaterThan(1.1);
  });

  it('brings less the more there are', () => {
    const [second, third] = [1, 2].map((replicas) => predictReplica(run({ ...apart, replicas }), 1).gain);
    expect(third).toBeGreaterThanOrEqual(1);
    expect(third).toBeLessThan(second!);
  });

  it.each([true, false])('brings nothing to a single sequence (sleeping: %s)', (sleeping) => {
    const measured = run({ seconds: [0.01, 0.03], sequences: 1, hops: 0.01, sleeping });
    for (const stage of [0, 1]) expect(predictReplica(measured, stage).gain).toBeCloseTo(1, 5);
  });
});

describe('a better split', () => {
  it('takes layers from the busiest stage', () => {
    const measured = run({ seconds: [0.01, 0.03, 0.01], sequences: 16, hops: 0.01 });
    const better = predictSplit(measured, [4, 8], costs)!;
    const [first, second] = better.split as [number, number];
    expect(second - first).toBeLessThan(4);
    expect(better.gain).toBeGreaterThan(1);
  });

  it('is the best of all there are', () => {
    const measured = run({ seconds: [0.01, 0.04, 0.02, 0.01], sequences: 16, hops: 0.01 });
    const uneven = { layers: 9, layer: 1, head: 2 };
    const present = [2, 4, 6];
    const worksOf = (split: readonly number[]): number[] =>
      [...split, 9].map((end, stage) => end - (split[stage - 1] ?? 0) + (end === 9 ? 2 : 0));
    const busiestOf = (split: readonly number[]): number =>
      Math.max(
        ...worksOf(split).map(
          (work, stage) => (measured.stages[stage]!.utilisation * work) / worksOf(present)[stage]!,
        ),
      );
    const all: number[] = [];
    for (let one = 1; one < 7; one++)
      for (let two = one + 1; two < 8; two++)
        for (let three = two + 1; three < 9; three++) all.push(busiestOf([one, two, three]));
    expect(busiestOf(predictSplit(measured, present, uneven)!.split)).toBeCloseTo(Math.min(...all), 9);
  });

  it('is found of a deep model in many stages', () => {
    const seconds = Array.from({ length: 12 }, (_, stage) => (stage === 5 ? 0.004 : 0.002));
    const present = Array.from({ length: 11 }, (_, boundary) => (boundary + 1) * 10);
    const measured = run({ seconds, sequences: 16, hops: 0.002 });
    const { split, gain } = predictSplit(measured, present, { layers: 120, layer: 1, head: 0 })!;
    expect(split).toHaveLength(11);
    expect([...split, 120].every((end, stage) => end > (split[stage - 1] ?? 0))).toBe(true);
    expect(split[5]! - split[4]!).toBeLessThan(10);
    expect(gain).toBeGreaterThan(1);
  });

  it('is none where all are as busy as can be', () => {
    const measured = run({ seconds: [0.02, 0.02, 0.02], sequences: 16, hops: 0 });
    expect(predictSplit(measured, [4, 8], costs)).toBeNull();
  });
});

describe('a stage fewer', () => {
  it('saves a hop, and has a group for each replica', () => {
    // Rounds of 0.01 + 0.01 and three hops of 0.01, of one group. Merged, each replica has a group of half as many: as steps are
    // half fixed, they take 0.75 of 0.02, and two hops are left.
    const measured = run({ seconds: [0.01, 0.01], sequences: 16, hops: 0.03, apart: true });
    const merged = predictMerge(measured)!;
    expect(merged.stage).toBe(0);
    expect(merged.gain).toBeCloseTo(0.05 / (0.75 * 0.02 + 0.02), 1);
  });

  it('brings next to nothing to one sequence but the hop, for there is nothing to share', () => {
    const measured = run({ seconds: [0.02, 0.02], sequences: 1, hops: 0.03, apart: true });
    expect(predictMerge(measured)!.gain).toBeCloseTo(0.07 / 0.06, 1);
  });

  it('is the pair that gains most, and none of one stage', () => {
    const measured = run({ seconds: [0.001, 0.001, 0.02], sequences: 16, hops: 0, apart: true });
    expect(predictMerge(measured)!.stage).toBe(1);
    expect(predictMerge(run({ seconds: [0.02], sequences: 4, hops: 0 }))).toBeNull();
  });
});
