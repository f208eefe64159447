import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { checkStep } from '../../../services/lib/engine/check-step.js';
import type { LayerRange } from '../../../services/lib/model/split.js';
import type { StepInput } from '../../../services/lib/engine/types.js';
import type { ModelConfig } from '../../../services/lib/model/types.js';
import { message } from '../../../services/lib/wire/codec.js';
import type { ItemFields, Rows } from '../../../services/lib/wire/frames.js';
import type { Stage } from '../../../services/stage/stage.js';
import { eventually } from '../../support/eventually.js';
import { FakeEngine } from './fake-engine.js';
import {
  callerOf,
  closeOf,
  frameOf,
  nextStage,
  openOf,
  stageWith,
  type Caller,
  type NextStage,
} from './stage-bench.js';

const WIDTH = 2;
const VOCABULARY = 1_000;
/** As `stageWith` limits it. */
const SEQUENCES_OF_STEP = 4;
const CONFIG = { hidden: WIDTH, vocabulary: VOCABULARY } as ModelConfig;

interface Place {
  readonly index: number;
  readonly route: string[];
  readonly range: LayerRange;
}

const places: Readonly<Record<string, Place>> = {
  'the first stage': { index: 0, route: ['me', 'next'], range: { start: 0, end: 1, layers: 3 } },
  'a stage in the middle': {
    index: 1,
    route: ['first', 'me', 'next'],
    range: { start: 1, end: 2, layers: 3 },
  },
  'the head': { index: 2, route: ['first', 'middle', 'me'], range: { start: 2, end: 3, layers: 3 } },
};

/**
 * Eight sequences share their steps with one whose rows are bad. The engine computes nothing, but looks at what it gets as
 * the real one does.
 */
describe.each(Object.entries(places))('in %s, beside others that run', (_, { index, route, range }) => {
  const isFirst = index === 0;
  const isHead = index === 2;
  const others = Array.from({ length: 8 }, (_other, count) => `other-${count}`);
  let engine: FakeEngine;
  let stage: Stage;
  let gateway: Caller;
  let before: Caller;
  let next: NextStage;

  /** Lengths of the open sequences, as the engine's cache has them. */
  const lengths = new Map<string, number>();
  const compute = (input: StepInput) => {
    const cached = {
      length: (sequence: string) =>
        engine.sequences.has(sequence) ? (lengths.get(sequence) ?? 0) : undefined,
      maxLength: () => 20,
    };
    checkStep(input, range, CONFIG, cached);
    for (const { sequence, position, count } of input.items) lengths.set(sequence, position + count);
    if (isHead)
      return {
        sampled: input.items
          .filter(({ logits }) => logits > 0)
          .map(({ position }) => ({ tokens: [position] })),
      };
    const rows = input.items.reduce((sum, { count }) => sum + count, 0);
    return { hidden: new Float32Array(rows * WIDTH) };
  };

  beforeEach(async () => {
    lengths.clear();
    engine = new FakeEngine(compute);
    next = await nextStage(() => stage);
    stage = stageWith({
      engine,
      next: isHead ? null : next.links,
      labels: { index, layers: `${index}-${index}`, replica: 'me' },
      rowsIn: { hidden: isFirst ? null : WIDTH, activations: 'f32', vocabulary: VOCABULARY },
    });
    gateway = await callerOf(stage, 'gateway', 'g');
    before = isFirst ? gateway : await callerOf(stage, `stage-${index - 1}`, route[index - 1]!);
    const agreed = () => (isHead ? gateway.inbox.all('opened') : next.inbox.all('open')).length;
    for (const sequence of ['bad', ...others]) before.link.send(openOf(sequence, 1, route));
    await eventually('all of them open', () => agreed() === others.length + 1);
  });
  afterEach(() => {
    gateway.link.close();
    before.link.close();
    next.end();
  });

  /** Rows of a sequence as this place gets them: `values` are token ids, or the first activation of each row. */
  const rowsOf = (
    sequence: string,
    position: number,
    values: number[],
    wrong: Partial<ItemFields> = {},
  ): Rows => {
    const item = { sequence, epoch: 1, position, count: values.length, logits: 0, draft: [], ...wrong };
    if (isFirst) return { item, tokens: values };
    return { item, activations: Float32Array.from(values.flatMap((value) => [value, 0])) };
  };
  const rowsOfOthers = (position = 0): Rows[] =>
    others.map((other) => rowsOf(other, position, [7], { logits: 1 }));
  const failures = (): string[] =>
    before.inbox.all('failed').map(({ sequence, epoch, code }) => `${sequence}/${epoch} ${code}`);
  const delivered = (): string[] =>
    isHead
      ? gateway.inbox
          .all('tokens')
          .flatMap(({ sampled }) => sampled.map(({ sequence, position }) => `${sequence}@${position - 1}`))
      : next.inbox
          .all('frame')
          .flatMap(({ items }) => items.map(({ sequence, position }) => `${sequence}@${position}`));

  /** All others have a row in the frame in which the bad one comes, and take one more after it. */
  async function expectOnlyItFails(send: () => void, reachesEngine = false): Promise<void> {
    send();
    await eventually('the failure', () => failures().length);
    before.link.sendFrame(frameOf(...rowsOfOthers(1)));
    const rows = [0, 1].flatMap((position) => others.map((other) => `${other}@${position}`));
    await eventually('all their rows', () => rows.every((row) => delivered().includes(row)));
    expect(failures()).toEqual(['bad/1 invalid_frame']);
    expect(delivered().filter((row) => row.startsWith('bad'))).toEqual([]);
    expect([...engine.sequences.keys()]).toEqual(others.map((other) => `${other}/1`));
    // So many as without it.
    if (!reachesEngine) expect(engine.steps).toHaveLength(2 * Math.ceil(others.length / SEQUENCES_OF_STEP));
    if (!isHead) expect(next.inbox.all('close').map(({ sequence }) => sequence)).toEqual(['bad']);
  }

  const badRows: [string, number[]][] = isFirst
    ? [
        ['a token that has no row', [1, VOCABULARY]],
        ['ids beyond all vocabularies', [2 ** 32 - 1, 2]],
      ]
    : [
        ['activations that are no numbers', [1, NaN]],
        ['activations without end', [-Infinity, 1]],
      ];
  it.each(badRows)('%s cost their own sequence', async (_name, values) => {
    await expectOnlyItFails(() =>
      before.link.sendFrame(frameOf(...rowsOfOthers(), rowsOf('bad', 0, values))),
    );
  });

  it.each<[string, Partial<ItemFields>]>([
    ['without rows', { count: 0 }],
    ['with more rows of logits than rows', { logits: 3, draft: [1, 2] }],
    ['with rows of logits that were not drafted', { logits: 2 }],
    ['that leaves a gap', { position: 3 }],
    ['that outgrows what was asked for', { position: 2 ** 31 }],
  ])('an item %s costs its own sequence', async (_name, wrong) => {
    const values = wrong.count === 0 ? [] : [1, 2];
    await expectOnlyItFails(() =>
      before.link.sendFrame(frameOf(...rowsOfOthers(), rowsOf('bad', 0, values, wrong))),
    );
  });

  it('a frame with other rows than it announces costs those that it names', async () => {
    await expectOnlyItFails(() => {
      before.link.sendFrame(frameOf(...rowsOfOthers()));
      const { tokens, activations, ...frame } = frameOf(rowsOf('bad', 0, [1, 2]));
      const short = { ...frame, tokens: tokens.slice(1), activations: activations.subarray(1) };
      before.link.send(message({ case: 'frame', value: short }));
    });
  });

  it('a frame with rows of the other kind costs those that it names', async () => {
    await expectOnlyItFails(() => {
      before.link.sendFrame(frameOf(...rowsOfOthers()));
      const frame = frameOf(rowsOf('bad', 0, [1, 2]));
      const other = { tokens: isFirst ? [] : [1, 2], activations: new Uint8Array(isFirst ? 16 : 0) };
      before.link.send(message({ case: 'frame', value: { ...frame, ...other } }));
    });
  });

  it('rows that only the engine can refuse cost their own sequence', async () => {
    engine.result = (input) => {
      const values = input.tokens ?? input.hidden;
      if (values.includes(666)) throw new ServingError('invalid_frame', 'no');
      return compute(input);
    };
    const frame = frameOf(rowsOf('bad', 0, [666]), ...rowsOfOthers());
    await expectOnlyItFails(() => before.link.sendFrame(frame), true);
  });

  it('frames and closes of another link count for nothing', async () => {
    const stranger = await callerOf(stage, isFirst ? 'gateway' : `stage-${index - 1}`, 'stranger');
    before.link.sendFrame(frameOf(...rowsOfOthers()));
    for (const other of others) {
      stranger.link.send(closeOf(other));
      stranger.link.sendFrame(frameOf(rowsOf(other, 1, [9], { logits: 1 })));
    }
    stranger.link.send(closeOf('bad'));
    await expectOnlyItFails(() => before.link.sendFrame(frameOf(rowsOf('bad', 0, badRows[0]![1]))));
    expect(stranger.inbox.messages).toEqual([]);
    const computed = engine.steps.flatMap(({ tokens, hidden }) => [...(tokens ?? hidden)]);
    expect(computed).not.toContain(9);
    stranger.link.close();
  });
});
