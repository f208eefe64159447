import { enginesOf, parallelSteps } from '../../../../services/stage/scheduling/parallel-steps.js';

const engine = (owner: string, processors: number, threads: number) => ({
  replica: 'r',
  owner,
  processors,
  threads,
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
