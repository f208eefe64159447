import { evenSplit, stageRanges } from '../../../../../services/lib/model/split.js';
import { modelShape } from '../../../../../services/lib/model/shapes/model-shape.js';
import { poissonWorkload } from '../../../../../scripts/lib/measure/loads/arrivals.js';
import {
  durationOf,
  failedOf,
  throughputOf,
  timePerOutputToken,
  timeToFirstToken,
} from '../../../../../scripts/lib/measure/figures/requests.js';
import type { Arm } from '../../../../../scripts/lib/measure/experiment/arm.js';
import { split, whole } from '../../../../../scripts/lib/measure/experiment/fleets.js';
import { int8On, stageModel } from '../../../../../scripts/lib/measure/experiment/simulate/stage-model.js';
import { simulate } from '../../../../../scripts/lib/measure/experiment/simulate/simulate.js';
import { closedLoopRate, wholeModel } from '../../../../../scripts/lib/measure/timed/predict.js';
import type { Arrival } from '../../../../../scripts/lib/measure/types.js';

const SHAPE = 'llama-2-13b';
const shape = modelShape(SHAPE);
const NO_HOP = { baseMs: 0, msPerMB: 0 };

const armOf = (device: string, stages: number, replicas = 1): Arm =>
  stages === 1 ? whole(device, replicas) : split(stages, device, replicas);

/** So many equal requests, all at once. */
const burst = (count: number, promptTokens: number, outputTokens: number): Arrival[] =>
  Array<Arrival>(count).fill({ at: 0, kind: 'request', promptTokens, outputTokens });

/** The cost models of the stages of an even split. */
const models = (device: string, stages: number) =>
  stageRanges(evenSplit(shape, stages), shape.layers).map((range) => stageModel(shape, device, range, 1));

const rowsStep = (rows: number, cached: number) => ({ items: [{ rows, cached }], logits: 1 });

describe('one request alone', () => {
  it.each([1, 2, 4])('takes its hops and its steps, over %i stages', (stages) => {
    const hop = { baseMs: 2, msPerMB: 3 };
    const [prompt, output] = [200, 50];
    const { records } = simulate(armOf('a100-80g', stages), burst(1, prompt, output), { hop });
    const rowMs = (shape.hidden * 2 * hop.msPerMB) / 1e6;
    const between = stages - 1;
    const stepMs = (rows: number, cached: number): number =>
      1e3 *
      models('a100-80g', stages).reduce((sum, model) => sum + model.stepSeconds(rowsStep(rows, cached)), 0);
    // Opened through all stages and back; then the prompt, in one chunk, and its token.
    const messages = 2 * (stages + 1);
    expect(timeToFirstToken(records[0]!)).toBeCloseTo(
      messages * hop.baseMs + between * prompt * rowMs + stepMs(prompt, 0),
      6,
    );
    const round = (at: number): number =>
      (stages + 1) * hop.baseMs + between * rowMs + stepMs(1, prompt + at);
    const rounds = Array.from({ length: output - 1 }, (_, at) => round(at));
    expect(timePerOutputToken(records[0]!)).toBeCloseTo(
      rounds.reduce((sum, each) => sum + each, 0) / (output - 1),
      6,
    );
  });

  it('has its prompt computed by two stages at once where it is long', () => {
    const ttft = (stages: number): number =>
      timeToFirstToken(simulate(armOf('a100-80g', stages), burst(1, 4_096, 2), { hop: NO_HOP }).records[0]!)!;
    expect(ttft(2)).toBeLessThan(0.7 * ttft(1));
    expect(ttft(4)).toBeLessThan(0.7 * ttft(2));
  });
});

describe('many requests', () => {
  it('come out of one whole model as fast as the closed loop says', () => {
    const [clients, prompt, output] = [48, 128, 128];
    const { records, end } = simulate(armOf('a100-80g', 1), burst(clients, prompt, output), { hop: NO_HOP });
    const requests = burst(clients, prompt, output);
    const rate = closedLoopRate(wholeModel(SHAPE, 'a100-80g'), clients, requests);
    expect(clients / end / rate).toBeGreaterThan(0.9);
    expect(clients / end / rate).toBeLessThan(1.1);
    expect(failedOf({ records })).toEqual([]);
  });

  it('are answered in full, each token after the one before, and the same again', () => {
    const load = poissonWorkload({ rate: 4, duration: 30, promptTokens: 700, outputTokens: 90, seed: 3 });
    const run = () => simulate(armOf('a100-40g', 2, 2), load, { hop: { baseMs: 1, msPerMB: 1 } });
    const { records } = run();
    expect(records).toHaveLength(load.length);
    for (const { sent, tokens, outputTokens, error } of records) {
      expect(error).toBeNull();
      expect(tokens).toHaveLength(outputTokens);
      expect([sent, ...tokens].every((time, index, all) => index === 0 || time > all[index - 1]!)).toBe(true);
    }
    expect(run().records).toEqual(records);
  });

  it('are no more at a time than keys and values fit', () => {
    const [prompt, output] = [1_000, 200];
    const model = wholeModel(SHAPE, 'a100-40g');
    const most = Math.floor(model.kvTokens / (prompt + output));
    const { records } = simulate(armOf('a100-40g', 1), burst(3 * most, prompt, output), { hop: NO_HOP });
    const spans = records.map(({ tokens }) => [tokens[0]!, tokens.at(-1)!] as const);
    const together = spans.map(([at]) => spans.filter(([from, to]) => from <= at && at < to).length);
    expect(Math.max(...together)).toBe(most);
    expect(failedOf({ records })).toEqual([]);
  });

  it('keep the slowest of two stages busy, and no more', () => {
    const [count, prompt, output] = [96, 16, 400];
    const { records } = simulate(armOf('a100-80g', 2), burst(count, prompt, output), { hop: NO_HOP });
    // Two groups, or three, of which each stage computes one at a time.
    const bound = (groups: number): number => {
      const size = count / groups;
      const items = Array.from({ length: size }, () => ({ rows: 1, cached: prompt + output / 2 }));
      return (
        size / Math.max(...models('a100-80g', 2).map((model) => model.stepSeconds({ items, logits: size })))
      );
    };
    expect(throughputOf({ records })).toBeLessThan(bound(2));
    expect(throughputOf({ records })).toBeGreaterThan(0.85 * bound(3));
  });

  it('take longer over longer hops', () => {
    const load = burst(16, 100, 100);
    const [none, some, many] = [0, 2, 10].map((baseMs) =>
      durationOf(simulate(armOf('a100-80g', 4), load, { hop: { baseMs, msPerMB: 0 } })),
    ) as [number, number, number];
    expect(some).toBeGreaterThan(none);
    expect(many).toBeGreaterThan(some);
  });

  it('take so many times as long where the model does', () => {
    const load = burst(8, 300, 40);
    const [one, other] = [1, 1.2].map((scale) =>
      durationOf(simulate(armOf('a100-80g', 2), load, { hop: NO_HOP, scale })),
    ) as [number, number];
    expect(other / one).toBeCloseTo(1.2, 2);
  });
});

describe('a replica that is killed', () => {
  it('costs no request, and is replaced by one that starts', () => {
    const start = 'fast-loader';
    const arm: Arm = { ...armOf('a100-80g', 2, 2), emulated: { ...armOf('a100-80g', 2).emulated!, start } };
    const load = poissonWorkload({ rate: 3, duration: 30, promptTokens: 300, outputTokens: 100, seed: 1 });
    const kills = [{ stage: 'stage-1', at: 10 }];
    const { records, lives } = simulate(arm, load, { hop: NO_HOP, kills });
    expect(failedOf({ records })).toEqual([]);
    for (const { tokens, outputTokens } of records) expect(tokens).toHaveLength(outputTokens);
    expect(lives.filter(({ ended }) => ended !== null)).toMatchObject([{ stage: 'stage-1', ended: 10 }]);
    const [, model] = models('a100-80g', 2);
    const ready = 10 + 3 + model!.startSeconds(start, 1, null);
    expect(lives.at(-1)).toMatchObject({
      stage: 'stage-1',
      created: 10,
      ready: expect.closeTo(ready, 6) as number,
    });
    // Those that ran there had to be computed again.
    const undisturbed = simulate(arm, load, { hop: NO_HOP });
    const gap = ({ tokens }: { tokens: readonly number[] }): number =>
      Math.max(...tokens.slice(1).map((at, index) => at - tokens[index]!));
    expect(Math.max(...records.map(gap))).toBeGreaterThan(Math.max(...undisturbed.records.map(gap)));
  });

  it('ends what finds no other one for too long', () => {
    const arm: Arm = {
      ...armOf('a100-80g', 1),
      emulated: { ...armOf('a100-80g', 1).emulated!, start: 'stock', storageGBps: 0.1 },
    };
    const { records } = simulate(arm, burst(2, 100, 500), {
      hop: NO_HOP,
      kills: [{ stage: 'stage-0', at: 1 }],
    });
    expect(records.map(({ error }) => error)).toEqual(['stage_unavailable', 'stage_unavailable']);
  });
});

describe('an autoscaler', () => {
  const scaled = (max: number): Arm => {
    const { stages, emulated, ...arm } = armOf('a100-80g', 1);
    return {
      ...arm,
      stages: stages.map((bounds) => ({ ...bounds, max })),
      emulated: { ...emulated!, start: 'fast-loader', storageGBps: 10 },
    };
  };
  const load = poissonWorkload({ rate: 12, duration: 90, promptTokens: 500, outputTokens: 100, seed: 2 });

  it('adds replicas at its syncs, which share the storage while they load', () => {
    const { lives, records } = simulate(scaled(4), load, { hop: NO_HOP });
    const added = lives.filter(({ created }) => created > 0);
    expect(added.length).toBeGreaterThan(0);
    for (const { created } of added) expect(created % 15).toBeCloseTo(0, 6);
    const first = added.filter(({ created }) => created === added[0]!.created);
    const start = wholeModel(SHAPE, 'a100-80g').startSeconds('fast-loader', first.length, 10);
    // Within its first second, who is the first to load knows of no other.
    const late = first[0]!.created + 3 + start - first[0]!.ready!;
    expect(late).toBeGreaterThanOrEqual(-1e-6);
    expect(late).toBeLessThan(1);
    expect(failedOf({ records })).toEqual([]);
  });

  it('serves what one replica cannot', () => {
    const median = (arm: Arm): number => {
      const times = simulate(arm, load, { hop: NO_HOP }).records.map((record) => timeToFirstToken(record)!);
      return times.sort((one, other) => one - other)[times.length >> 1]!;
    };
    expect(median(scaled(4))).toBeLessThan(0.5 * median(scaled(1)));
  });
});

describe('what a stage runs on', () => {
  it('must have room for its weights', () => {
    expect(() => simulate(armOf('l4', 1), [], { hop: NO_HOP })).toThrow('layers 0-39 of llama-2-13b need');
    expect(simulate(armOf('l4', 2), burst(1, 10, 2), { hop: NO_HOP }).records[0]!.error).toBeNull();
  });

  it('holds more with weights of 8 bits, and reads them faster, but computes a prompt as fast', () => {
    const range = { start: 0, end: shape.layers, layers: shape.layers };
    const [full, half] = ['a100-40g', int8On('a100-40g')].map((device) =>
      stageModel(shape, device, range, 1),
    );
    const decode = { items: [{ rows: 1, cached: 100 }], logits: 1 };
    expect(half!.stepSeconds(decode) / full!.stepSeconds(decode)).toBeCloseTo(0.5, 1);
    expect(half!.stepSeconds(rowsStep(2_048, 0)) / full!.stepSeconds(rowsStep(2_048, 0))).toBeGreaterThan(
      0.95,
    );
    // 13 GB of weights less, at 0.82 MB a token.
    expect(half!.kvTokens - full!.kvTokens).toBeGreaterThan(15_000);
    expect(half!.kvTokens - full!.kvTokens).toBeLessThan(16_000);
  });

  it('must be said, of every stage', () => {
    const arm = armOf('l4', 2);
    expect(() => simulate({ ...arm, emulated: null }, [], { hop: NO_HOP })).toThrow('emulates no GPU');
    const stages = arm.stages.map(({ device: _, ...bounds }) => bounds);
    expect(() => simulate({ ...arm, stages }, [], { hop: NO_HOP })).toThrow(
      'stage-0 of the arm has no emulated device',
    );
  });
});
