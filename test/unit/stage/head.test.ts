import type { StepInput } from '../../../services/lib/engine/types.js';
import { fromSampledMessage } from '../../../services/lib/sampling/step-tokens.js';
import { message, type BodyOf } from '../../../services/lib/wire/codec.js';
import type { Stage, StageOptions } from '../../../services/stage/stage.js';
import { eventually } from '../../support/eventually.js';
import { FakeEngine } from './fake-engine.js';
import { callerOf, frameOf, openOf, stageWith, tokensOf, type Caller } from './stage-bench.js';

/** Of the items that want tokens, their own last position. */
const sampleAll = ({ items }: StepInput) => ({
  sampled: items
    .filter(({ logits }) => logits > 0)
    .map(({ position, count }) => ({ tokens: [position + count - 1] })),
});

describe('the head', () => {
  let engine: FakeEngine;
  let stage: Stage;
  let gateway: Caller;
  let before: Caller;
  const start = async (
    result: ConstructorParameters<typeof FakeEngine>[0],
    options: Partial<StageOptions> = {},
  ): Promise<void> => {
    engine = new FakeEngine(result);
    const labels = { index: 1, layers: '1-1', replica: 'me' };
    stage = stageWith({ engine, next: null, labels, ...options });
    gateway = await callerOf(stage, 'gateway', 'g');
    before = await callerOf(stage, 'stage-0', 'before');
  };
  beforeEach(() => start(sampleAll));
  afterEach(() => {
    gateway.link.close();
    before.link.close();
  });

  const open = async (...sequences: string[]): Promise<void> => {
    for (const sequence of sequences) before.link.send(openOf(sequence));
    await eventually('the agreement', () => gateway.inbox.all('opened').length === sequences.length);
  };
  const tokens = () => gateway.inbox.all('tokens').map((sampled) => sampled.sampled);

  it('tells the gateway that the route has agreed, and sends it the tokens', async () => {
    await open('a', 'b', 'c');
    expect(engine.sequences.get('a/1')).toMatchObject({ params: { temperature: 0 }, prompt: [] });
    before.link.sendFrame(
      frameOf(
        tokensOf('a', 0, [1, 2, 3], { logits: 1 }),
        tokensOf('b', 0, [4]),
        tokensOf('c', 0, [5], { logits: 1 }),
      ),
    );
    await eventually('the tokens', () => tokens().length === 1);
    expect(tokens()[0]).toMatchObject([
      { sequence: 'c', epoch: 1, position: 1, tokens: [0] },
      { sequence: 'a', epoch: 1, position: 3, tokens: [2] },
    ]);
    expect(before.inbox.cases).toEqual([]);
  });

  it('has all processors for the last rows of a prompt, for the stages before have none left', async () => {
    await start(sampleAll, { rowsIn: { hidden: 1, activations: 'f32', vocabulary: 1_000 } });
    await open('a');
    for (const [position, fields, alone] of [
      [0, {}, false],
      [2, {}, false],
      [4, { logits: 1 }, true],
    ] as const) {
      const { item } = tokensOf('a', position, [1, 2], fields);
      before.link.sendFrame(frameOf({ item, activations: new Float32Array(2) }));
      await eventually('the step', () => engine.steps.at(-1)?.items[0]?.position === position);
      expect(engine.steps.at(-1)!.alone).toBe(alone);
    }
  });

  it('goes on sampling after what was sampled elsewhere', async () => {
    const { body } = openOf('a', 2);
    const value = { ...(body.value as BodyOf<'open'>), prompt: [1, 2], sampled: [3, 4, 5] };
    before.link.send(message({ case: 'open', value }));
    await eventually('the agreement', () => gateway.inbox.all('opened').length === 1);
    expect(engine.sequences.get('a/2')).toMatchObject({ prompt: [1, 2], sampled: [3, 4, 5] });
  });

  it('tells the gateway how much of the prompt the whole route has cached', async () => {
    engine.cached = 64;
    before.link.send(openOf('a', 1, ['me', 'next'], ['one'], 100));
    await eventually('the agreement', () => gateway.inbox.all('opened').length === 1);
    expect(gateway.inbox.all('opened')).toMatchObject([{ sequence: 'a', cachedTokens: 32 }]);
  });

  it('sends the tokens of a verified draft as what follows the row before it', async () => {
    await start(() => ({ sampled: [{ tokens: [8, 7] }] }));
    await open('a');
    const rows = [tokensOf('a', 0, [1, 2]), tokensOf('a', 2, [3, 8, 9], { logits: 3, draft: [8, 9] })];
    for (const part of rows) before.link.sendFrame(frameOf(part));
    await eventually('the tokens', () => tokens().length === 1);
    expect(tokens()[0]).toMatchObject([{ sequence: 'a', position: 3, tokens: [8, 7] }]);
  });

  it('sends with the tokens what it was told of them, and of the prompt', async () => {
    const rated = (logprob: number) => ({ logprob, rank: 1, ids: [8, 7], values: [logprob, -Infinity] });
    const step = {
      tokens: [8],
      logprobs: [rated(-1)],
      scored: { from: 1, logprobs: [rated(-2)] },
      ended: true,
    };
    await start(() => ({ sampled: [step] }));
    await open('a');
    before.link.sendFrame(frameOf(tokensOf('a', 0, [1, 2], { logits: 1 })));
    await eventually('the tokens', () => tokens().length === 1);
    expect(fromSampledMessage(tokens()[0]![0]!)).toMatchObject(step);
  });

  it('fails a sequence whose logits cannot be sampled, and answers the others', async () => {
    await start(() => ({ sampled: [{ code: 'logits_invalid', message: 'NaN' }, { tokens: [7] }] }));
    await open('a', 'b');
    const want = { logits: 1 };
    before.link.sendFrame(frameOf(tokensOf('a', 0, [1], want), tokensOf('b', 0, [2], want)));
    await eventually('the token', () => tokens().length === 1);
    expect(tokens()[0]).toMatchObject([{ sequence: 'b', tokens: [7] }]);
    await eventually('the failure', () => before.inbox.all('failed').length === 1);
    expect(before.inbox.all('failed')[0]).toMatchObject({ sequence: 'a', code: 'logits_invalid' });
    await eventually('its room free', () => String([...engine.sequences.keys()]) === 'b/1');
  });

  it('refuses a sequence of a gateway that it has no link to, and one that says not how to sample', async () => {
    const { body } = openOf('b');
    if (body.case !== 'open') throw new Error('not an open');
    before.link.send(message({ case: 'open', value: { ...body.value, gateway: 'stranger' } }));
    const { route, gateway: to, maxLength } = body.value;
    before.link.send(
      message({ case: 'open', value: { sequence: 'c', epoch: 1, route, gateway: to, maxLength } }),
    );
    await eventually('the refusals', () => before.inbox.all('failed').length === 2);
    expect(before.inbox.all('failed')).toMatchObject([
      { sequence: 'b', code: 'stage_unavailable', message: 'no link to gateway stranger' },
      { sequence: 'c', code: 'invalid_frame' },
    ]);
    await eventually('nothing open', () => stage.sequences === 0 && engine.sequences.size === 0);
  });

  it('fails the sequences of a gateway that is lost', async () => {
    await open('a');
    gateway.link.close();
    await eventually('the failure', () => before.inbox.all('failed').length === 1);
    expect(before.inbox.all('failed')[0]).toMatchObject({ sequence: 'a', code: 'stream_broken' });
    expect(stage.sequences).toBe(0);
  });

  it('answers over the link that a gateway kept when it met this replica twice', async () => {
    const double = await callerOf(stage, 'gateway', 'g');
    await open('a');
    double.link.close();
    before.link.send(openOf('b'));
    await eventually('the agreement', () => gateway.inbox.all('opened').length === 2);
    expect(double.inbox.cases).toEqual([]);
    expect(before.inbox.all('failed')).toEqual([]);
  });
});
