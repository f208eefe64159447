import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configOf, writeRandomModel } from '../../../scripts/lib/model/random-model.js';
import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import { loadTokenizer } from '../../../services/lib/model/text/tokenizer.js';
import { tensorNames, tensorShape } from '../../../services/lib/model/tensor-names.js';
import type { Checkpoint } from '../../../services/lib/model/types.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { thrownBy } from '../../support/thrown-by.js';

const config = configOf('small', {
  layers: 2,
  hidden: 128,
  intermediate: 320,
  heads: 4,
  kvHeads: 2,
  vocabulary: 1_000,
  maxPositions: 512,
});

const folder = temporaryFolder();
const write = async (name: string, options: Partial<Parameters<typeof writeRandomModel>[0]> = {}) => {
  const file = join(folder.path, name);
  await writeRandomModel({ config, type: 'Q8_0', seed: 1, file, ...options });
  return file;
};
const reading = async <Result>(file: string, read: (checkpoint: Checkpoint) => Promise<Result>) => {
  const checkpoint = await openCheckpoint(file, undefined, folder.path);
  try {
    return await read(checkpoint);
  } finally {
    await checkpoint.close();
  }
};

const momentsOf = (values: Float32Array): { mean: number; deviation: number } => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(square) };
};

describe.each(['Q8_0', 'Q4_0'] as const)('a random model in %s', (type) => {
  it('reads back with its shape, and weights that keep activations around one', async () => {
    const file = await write(`${type}.gguf`, { type });
    await reading(file, async (checkpoint) => {
      expect(checkpoint.config).toEqual({ ...config, normEpsilon: Math.fround(config.normEpsilon) });
      for (const name of tensorNames(config)) {
        const shape = tensorShape(config, name);
        expect(checkpoint.shape(name)).toEqual(shape);
        const values = await checkpoint.read(name);
        const { mean, deviation } = momentsOf(values);
        if (shape.length === 1) {
          expect(values.every((value) => value >= 0.8 && value <= 1.2)).toBe(true);
          expect(Math.abs(mean - 1)).toBeLessThan(0.04);
        } else {
          const expected = name === 'embed' ? 1 : 1 / Math.sqrt(shape[1]!);
          expect(Math.abs(deviation / expected - 1)).toBeLessThan(0.03);
          // Five standard errors.
          expect(Math.abs(mean)).toBeLessThan((5 * expected) / Math.sqrt(values.length));
        }
      }
    });
  });

  it('is the same for the same seed alone', async () => {
    const [one, again, other] = [
      await readFile(await write('one.gguf', { type, seed: 7 })),
      await readFile(await write('again.gguf', { type, seed: 7 })),
      await readFile(await write('other.gguf', { type, seed: 8 })),
    ];
    expect(again.equals(one)).toBe(true);
    expect(other.equals(one)).toBe(false);
  });
});

it('no two matrices, and no two rows, are alike', async () => {
  await reading(await write('rows.gguf'), async (checkpoint) => {
    const rows: string[] = [];
    for (const name of ['layers.0.gate', 'layers.0.up', 'layers.1.gate'] as const) {
      const values = await checkpoint.read(name);
      for (let at = 0; at < values.length; at += config.hidden) {
        rows.push(values.subarray(at, at + config.hidden).join());
      }
    }
    expect(new Set(rows).size).toBe(rows.length);
  });
});

it('what is interrupted leaves nothing behind', async () => {
  const stop = new AbortController();
  const written = write('half.gguf', { signal: stop.signal, onProgress: () => stop.abort() });
  await expect(written).rejects.toThrow('abort');
  expect((await readdir(folder.path)).filter((name) => name.startsWith('half'))).toEqual([]);
});

it('a place where no file can be made is an error with a code', async () => {
  const error = await thrownBy(() => write('missing/model.gguf'));
  expect(error).toMatchObject({ code: 'invalid_config', hint: 'choose another place with --out' });
});

it.each([
  [{ hidden: 100 }, 'invalid_config'],
  [{ intermediate: 33 }, 'invalid_config'],
  [{ vocabulary: 257 }, 'invalid_config'],
  [{ heads: 3 }, 'checkpoint_invalid'],
  [{ kvHeads: 3 }, 'checkpoint_invalid'],
])('the shape with %j is refused', async (change, code) => {
  const error = await thrownBy(() => Promise.resolve().then(() => configOf('odd', { ...config, ...change })));
  expect(error).toMatchObject({ code });
});

describe('its vocabulary', () => {
  const tokenizerOf = async (vocabulary: number) => {
    const file = await write(`${vocabulary}.gguf`, { config: { ...config, vocabulary } });
    return reading(file, ({ text }) => Promise.resolve(loadTokenizer(text)));
  };

  it.each([258, 259, 1_000, 32_000])('has %d tokens, none of them twice', async (size) => {
    const tokenizer = await tokenizerOf(size);
    expect(tokenizer.vocabularySize).toBe(size);
    const tokens = Array.from({ length: size }, (_, id) => tokenizer.tokenOf(id));
    expect(new Set(tokens).size).toBe(size);
  });

  it('spells any text', async () => {
    const text = 'The quick brown fox jumps, über 12 lazy dögs! 🦊\n\n\tif (x) { y(); }';
    const tokenizer = await tokenizerOf(32_000);
    const ids = tokenizer.encode(text, { addSpecialTokens: true });
    expect(tokenizer.decode(ids)).toBe(text);
  });

  it('takes about as many tokens for a text as a trained one', async () => {
    const text = 'the quick brown fox jumps over the lazy dog';
    const tokenizer = await tokenizerOf(32_000);
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    expect(ids.length).toBeLessThan(text.length / 2);
  });
});
