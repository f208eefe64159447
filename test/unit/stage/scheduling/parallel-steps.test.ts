import {
  enginesOf,
  groupsAtOnce,
  parallelSteps,
} from '../../../../services/stage/scheduling/parallel-steps.js';

const engine = (owner: string, processors: number, threads: number) => ({
  replica: 'r',
  owner,
  processors,
  threads,
  meanStepSeconds: 0,
  hopSeconds: 0,
});

describe('the groups that are out when the busiest stage is busy', () => {
  /** Replicas of their own processors whose steps take so many milliseconds, of each stage, with so long a hop between stages. */
  const atOnce = (
    [first, ...later]: number[][],
    { share = 1, owner = '', hopMs = 0 }: { share?: number; owner?: string; hopMs?: number } = {},
  ): number => {
    const named = (stage: number, index: number, ms: number) => ({
      ...engine(owner || `${stage}.${index}`, 2, 1),
      replica: `stage-${stage}/${index}`,
      meanStepSeconds: ms / 1e3,
      hopSeconds: stage === later.length ? 0 : hopMs / 1e3,
    });
    const after = later.flatMap((steps, index) => steps.map((ms, each) => named(index + 1, each, ms)));
    return groupsAtOnce(named(0, 0, first![0]!), after, share);
  };

  test.each<[string, number[][], number, number]>([
    ['are those of all stages where all are as slow', [[10], [10], [10]], 1, 3],
    ['are no more for a replica of a stage that was not the busiest', [[10], [10, 10], [10]], 1, 3],
    ['are fewer where a stage is busiest', [[14], [14], [6], [6]], 1, 40 / 14],
    ['are more where that stage has replicas', [[6], [12, 12], [6]], 1, 4],
    ['are its part where there are further replicas of stage 0', [[14], [14, 14], [6], [6]], 1 / 2, 40 / 14],
    ['are as many as engines while one has not told what its steps take', [[14], [0], [6]], 1, 3],
    ['are none of later stages where nothing is passed on', [[10]], 1, 1],
    ['are those of all, also where more seems to leave than to come', [[10], [10]], 3, 2],
  ])('%s', (_name, steps, share, expected) => {
    expect(atOnce(steps, { share })).toBeCloseTo(expected);
  });

  test('are more by those that are on the way meanwhile: from stage to stage, to the gateway and back to stage 0', () => {
    expect(atOnce([[10], [10], [10], [10]], { hopMs: 2 })).toBeCloseTo(5);
    expect(atOnce([[10], [10]], { hopMs: 10 })).toBeCloseTo(5);
    // What becomes of its sequences after stage 0 is not known yet.
    expect(atOnce([[10]], { hopMs: 10 })).toBe(1);
  });

  test('are no more than there are processors, of which the way takes its part', () => {
    const owner = 'one machine';
    expect(atOnce([[10], [10], [10]], { owner })).toBe(2);
    expect(atOnce([[10], [10], [10]], { owner, hopMs: 2 })).toBe(2);
    expect(atOnce([[10], [100], [10]], { owner })).toBeCloseTo(1.2);
  });
});

test.each<[string, ReturnType<typeof engine>[], number]>([
  ['one engine', [engine('a', 2, 2)], 1],
  ['engines that each keep all processors busy', Array(3).fill(engine('a', 2, 2)), 1],
  ['engines that leave room for one another', Array(3).fill(engine('a', 2, 1)), 2],
  ['fewer engines than there is room for', Array(3).fill(engine('a', 16, 5)), 3],
  ['machines of their own', [engine('a', 2, 2), engine('b', 2, 2), engine('c', 2, 2)], 3],
  ['two on one machine, one on another', [engine('a', 2, 1), engine('a', 2, 1), engine('b', 1, 1)], 3],
  ['less than a whole processor', [engine('a', 0.5, 1), engine('b', 0.5, 1)], 2],
])('%s', (_name, engines, expected) => {
  expect(parallelSteps(engines)).toBe(expected);
});

test('engines that several replicas tell of count once', () => {
  const named = (replica: string) => ({ ...engine('a', 2, 1), replica });
  const [one, other, head] = [named('stage-1/x'), named('stage-1/y'), named('stage-2/x')];
  const statuses = [one, other].map((own) => ({ engine: own, enginesAfter: [head] }));
  expect(enginesOf(statuses)).toEqual([one, head, other]);
});

test('a replica tells of no more engines than steps could run', () => {
  const named = (stage: number, index: number) => ({
    ...engine(`${stage}/${index}`, 1, 1),
    replica: `${stage}/${index}`,
  });
  const after = Array.from({ length: 100 }, (_, index) => named(2, index));
  const statuses = Array.from({ length: 100 }, (_, index) => ({
    engine: named(1, index),
    enginesAfter: after,
  }));
  expect(parallelSteps(enginesOf(statuses))).toBe(64);
  expect(enginesOf(statuses.slice(0, 1)).length).toBe(64);
});
