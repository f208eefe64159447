import { gzipSync } from 'node:zlib';
import { CostModel } from '../../../../services/lib/engine/timed/cost-model.js';
import { deviceProfile } from '../../../../services/lib/engine/timed/device-profile.js';
import { modelShape } from '../../../../services/lib/model/shapes/model-shape.js';
import { createTimedEngine } from '../../../../services/lib/engine/timed/timed-engine.js';
import type { Engine } from '../../../../services/lib/engine/types.js';
import { type Activations, areNumbers } from '../../../../services/lib/model/activations.js';
import { letterText, LETTER_EOS } from '../../../../services/lib/model/gguf/letter-vocabulary.js';
import { prefixBlocks } from '../../../../services/lib/model/prefix-blocks.js';
import { stageRanges } from '../../../../services/lib/model/split.js';
import { loadTokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import { argmax } from '../../../../services/lib/sampling/logits.js';
import { thrownBy } from '../../../support/thrown-by.js';

const config = modelShape('llama-2-13b');
const options = {
  device: 'a100-80g',
  shape: 'llama-2-13b',
  dilation: 1,
  activations: 'f16',
  kvTokens: null,
  prefixBytes: 0,
} as const;

/** One whole model, in stages. */
function chain(split: readonly number[], more: { prefixBytes?: number; kvTokens?: number } = {}): Engine[] {
  return stageRanges(split, config.layers).map((range) => createTimedEngine({ ...options, ...more, range }));
}

interface Rows {
  readonly sequence: string;
  readonly position: number;
  readonly tokens: readonly number[];
}

/** A step through all stages; returns the token after each sequence's last row. */
async function step(stages: readonly Engine[], rows: readonly Rows[], bestOnly = true): Promise<number[]> {
  const items = rows.map(({ sequence, position, tokens }) => ({
    sequence,
    position,
    count: tokens.length,
    logits: 1,
  }));
  let hidden: Activations | undefined;
  for (const engine of stages) {
    const input = hidden ? { hidden } : { tokens: Int32Array.from(rows.flatMap(({ tokens }) => tokens)) };
    const output = await engine.step({ ...input, items, bestOnly });
    if (output.best) return [...output.best.tokens];
    if (output.logits) {
      const width = output.logits.length / rows.length;
      return rows.map((_, row) => argmax(output.logits.subarray(row * width, (row + 1) * width)));
    }
    hidden = output.hidden;
  }
  throw new Error('there is no head');
}

/** Generates greedily, a token a step, after a prompt in chunks of so many rows. */
async function generate(
  stages: readonly Engine[],
  sequence: string,
  prompt: readonly number[],
  { count = 12, chunk = prompt.length, cached = 0 } = {},
): Promise<number[]> {
  let next = 0;
  for (let position = cached; position < prompt.length; position += chunk)
    [next] = (await step(stages, [
      { sequence, position, tokens: prompt.slice(position, position + chunk) },
    ])) as [number];
  const tokens = [next];
  while (tokens.length < count) {
    const position = prompt.length + tokens.length - 1;
    tokens.push(...(await step(stages, [{ sequence, position, tokens: tokens.slice(-1) }])));
  }
  return tokens;
}

const open = (stages: readonly Engine[], sequence: string): void =>
  stages.forEach((engine) => engine.open(sequence, 4_096));

const PROMPT = Array.from({ length: 100 }, (_, index) => (index * 7919) % 32_000);

describe('a timed engine', () => {
  let expected: number[];
  beforeAll(async () => {
    const whole = chain([]);
    open(whole, 'a');
    expected = await generate(whole, 'a', PROMPT);
  });

  it.each([[[10, 20, 30]], [[1, 39]]])('says the same tokens when it is cut at %j', async (split) => {
    const stages = chain(split);
    open(stages, 'a');
    expect(await generate(stages, 'a', PROMPT, { chunk: 32 })).toEqual(expected);
  });

  it('says the same whoever shares its steps, and whether logits are asked for', async () => {
    const stages = chain([20]);
    for (const sequence of ['a', 'b', 'c']) open(stages, sequence);
    const prompts = { a: PROMPT, b: PROMPT.slice(3), c: PROMPT.slice(0, 70) };
    let last = await step(
      stages,
      Object.entries(prompts).map(([sequence, tokens]) => ({ sequence, position: 0, tokens })),
    );
    const said = [last[0]];
    for (let at = 0; at < 5; at++) {
      const rows = Object.entries(prompts).map(([sequence, tokens], index) => ({
        sequence,
        position: tokens.length + at,
        tokens: [last[index]!],
      }));
      // In another order each time.
      const turned = [...rows.slice(at % 3), ...rows.slice(0, at % 3)];
      const answers = await step(stages, turned, at % 2 === 0);
      last = rows.map((row) => answers[turned.indexOf(row)]!);
      said.push(last[0]);
    }
    expect(said).toEqual(expected.slice(0, 6));
  });

  it('goes on elsewhere with what was said before, and notices a token that is missing', async () => {
    const stages = chain([10, 20, 30]);
    open(stages, 'a');
    const rest = await generate(stages, 'a', [...PROMPT, ...expected.slice(0, 5)], { count: 7, chunk: 64 });
    expect(rest).toEqual(expected.slice(5));
    open(stages, 'b');
    const forgetful = await generate(stages, 'b', [...PROMPT.slice(1), ...expected.slice(0, 5)], {
      count: 7,
    });
    expect(forgetful).not.toEqual(expected.slice(5));
  });

  it('goes back to an earlier position', async () => {
    const stages = chain([20]);
    open(stages, 'a');
    await step(stages, [{ sequence: 'a', position: 0, tokens: [...PROMPT, 1, 2, 3] }]);
    expect(await generate(stages, 'a', PROMPT, { cached: 100 - 1 })).toEqual(expected);
  });

  it('starts from what sequences before it began with', async () => {
    const stages = chain([20], { prefixBytes: 1e9 });
    const names = prefixBlocks(PROMPT);
    open(stages, 'a');
    await generate(stages, 'a', PROMPT);
    for (const engine of stages) engine.close('a', names);
    const cached = stages.map((engine) => engine.open('b', 4_096, names));
    expect(cached).toEqual([96, 96]);
    expect(await generate(stages, 'b', PROMPT, { cached: 96 })).toEqual(expected);
  });

  it('has the room that its device leaves, and takes a step whole or not at all', async () => {
    const range = { start: 0, end: 20, layers: 40 };
    const { kvTokens } = new CostModel(config, deviceProfile(options.device), range);
    expect(createTimedEngine({ ...options, range }).kv).toEqual({ used: 0, capacity: kvTokens });
    // 2 · 20 layers · 5,120 values of 2 bytes.
    const blocks = Math.floor(1e9 / 409_600 / 32);
    expect(createTimedEngine({ ...options, range, prefixBytes: 1e9 }).kv.capacity).toBe(
      kvTokens - 32 * blocks,
    );

    const [engine] = chain([], { kvTokens: 100 }) as [Engine];
    for (const sequence of ['a', 'b']) engine.open(sequence, 200);
    await step([engine], [{ sequence: 'a', position: 0, tokens: PROMPT.slice(0, 60) }]);
    const rows = ['a', 'b'].map((sequence, index) => ({
      sequence,
      position: index === 0 ? 60 : 0,
      tokens: PROMPT.slice(0, 30),
    }));
    expect((await thrownBy(() => step([engine], rows))).code).toBe('kv_exhausted');
    expect(engine.kv.used).toBe(60);
    engine.close('a');
    expect(engine.kv.used).toBe(0);
  });

  it('sends as many bytes as a model does, which are numbers and do not compress', async () => {
    for (const [activations, bytes] of [
      ['f16', 10_240],
      ['f32', 20_480],
    ] as const) {
      const engine = createTimedEngine({ ...options, activations, range: { start: 0, end: 10 } });
      engine.open('a', 200);
      const items = [{ sequence: 'a', position: 0, count: 64, logits: 0 }];
      const { hidden } = await engine.step({ items, tokens: Int32Array.from(PROMPT.slice(0, 64)) });
      expect(hidden!.byteLength).toBe(64 * bytes);
      expect(areNumbers(hidden!)).toBe(true);
      const raw = new Uint8Array(hidden!.buffer, hidden!.byteOffset, hidden!.byteLength);
      expect(gzipSync(raw).length / raw.length).toBeGreaterThan(0.9);
    }
  });

  it('refuses rows that no stage before it has made, and is as it was', async () => {
    const [first, second, third] = chain([10, 20]) as [Engine, Engine, Engine];
    for (const engine of [first, second, third]) engine.open('a', 200);
    const items = [{ sequence: 'a', position: 0, count: 2, logits: 1 }];
    const { hidden } = await first.step({ items, tokens: Int32Array.of(5, 6) });
    const changed = hidden!.slice();
    changed[7_000]! ^= 1;
    expect(await thrownBy(() => second.step({ items, hidden: changed }))).toMatchObject({
      code: 'invalid_frame',
      message: 'row 1 is none that goes to layer 10',
    });
    expect((await thrownBy(() => third.step({ items, hidden: hidden!.slice() }))).code).toBe('invalid_frame');
    expect(second.kv.used).toBe(0);
    await second.step({ items, hidden: hidden! });
    expect(second.kv.used).toBe(2);
  });

  it('takes the time that its cost model says, of the device that it emulates', async () => {
    const range = { start: 0, end: 10, layers: 40 };
    const engine = createTimedEngine({ ...options, dilation: 2, range });
    engine.open('a', 200);
    const items = [{ sequence: 'a', position: 0, count: 5, logits: 0 }];
    await engine.step({ items, tokens: Int32Array.of(1, 2, 3, 4, 5) });
    const cost = new CostModel(config, deviceProfile(options.device), range);
    const modelled = cost.stepSeconds({ items: [{ rows: 5, cached: 0 }], logits: 0 });
    expect(engine.endStep!(0).seconds).toBe(2 * modelled);
  });

  it('says words, and never the end', () => {
    const text = letterText(config.vocabulary);
    const tokenizer = loadTokenizer(text, config.vocabulary);
    expect(expected).not.toContain(LETTER_EOS);
    expect(tokenizer.decode(expected)).toMatch(/^( [a-z]{1,2} ?)+$/);
    expect(text.eosIds).toEqual([LETTER_EOS]);
  });
});
