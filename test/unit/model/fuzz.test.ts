import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import { tensorNames } from '../../../services/lib/model/tensor-names.js';
import { writeGguf } from '../../support/model/gguf-writer.js';
import { writeSafetensors } from '../../support/model/safetensors-writer.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { tinyGguf, tinyJson, tinySafetensors, writeTinyFolder } from '../../support/model/tiny-model.js';

const folder = temporaryFolder();

const OPTIONAL_FIELDS = [
  'head_dim',
  'rope_scaling',
  'rope_parameters',
  'sliding_window',
  'attention_bias',
  'mlp_bias',
  'quantization_config',
  'partial_rotary_factor',
  'model_type',
];
const OPTIONAL_KEYS = [
  'general.sampling.temp',
  'general.sampling.top_k',
  'llama.attention.key_length',
  'llama.attention.sliding_window',
  'llama.rope.freq_base',
  'llama.rope.scaling.type',
  'llama.rope.scaling.factor',
  'llama.expert_count',
  'split.count',
  'tokenizer.ggml.pre',
  'tokenizer.ggml.eot_token_id',
  'tokenizer.ggml.unknown_token_id',
  'tokenizer.ggml.add_bos_token',
  'tokenizer.chat_template',
];
const anyValue = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(0, -1, 1, 2, 4, 8, 10, 2 ** 31, 1e308, '8', null, '', [], {}),
);

/** Other cases each time; with LAYERMESH_FUZZ=full ten times as many. */
const runs = (count: number): number => (process.env['LAYERMESH_FUZZ'] === 'full' ? 10 * count : count);

/** Bytes that tend to break parsers, beside any other. */
const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x22, 0x7d), fc.integer({ min: 0, max: 255 }));

/** A valid file with some bytes replaced, most of them in its header, perhaps cut off or continued. */
function damaged(valid: Uint8Array, headerLength: number): fc.Arbitrary<Uint8Array> {
  const position = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: headerLength - 1 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: valid.length - 1 }) },
  );
  const edit = fc.record({ position, bytes: fc.array(byte, { minLength: 1, maxLength: 8 }) });
  return fc
    .record({
      edits: fc.array(edit, { maxLength: 4 }),
      length: fc.oneof(fc.constant(valid.length), fc.integer({ min: 0, max: valid.length + 64 })),
    })
    .map(({ edits, length }) => {
      const file = new Uint8Array(length);
      file.set(valid.subarray(0, length));
      for (const { position, bytes } of edits) {
        for (const [index, value] of bytes.entries()) {
          if (position + index < length) file[position + index] = value;
        }
      }
      return file;
    });
}

/** Opens and reads everything: either all of it succeeds or the user gets an error with a code. */
async function readsOrRefuses(path: string): Promise<void> {
  try {
    const checkpoint = await openCheckpoint(path, undefined, join(path, 'no-cache'));
    try {
      for (const name of tensorNames(checkpoint.config)) {
        const size = checkpoint.shape(name).reduce((product, length) => product * length, 1);
        expect(await checkpoint.read(name)).toHaveLength(size);
      }
    } finally {
      await checkpoint.close();
    }
  } catch (reason) {
    if (!(reason instanceof ServingError)) throw reason;
    expect(reason.code).not.toBe('internal');
    expect(reason.toLine()).not.toContain('\n');
  }
}

it('a damaged GGUF file is read or refused', async () => {
  const valid = writeGguf(tinyGguf());
  const headerLength = Buffer.from(valid).indexOf('output.weight');
  const path = join(folder.path, 'damaged.gguf');
  const property = fc.asyncProperty(damaged(valid, headerLength), async (bytes) => {
    await writeFile(path, bytes);
    await readsOrRefuses(path);
  });
  await fc.assert(property, { numRuns: runs(200) });
});

it('a damaged safetensors file is read or refused', async () => {
  const valid = writeSafetensors(tinySafetensors());
  const headerLength = 8 + Number(new DataView(valid.buffer, valid.byteOffset).getBigUint64(0, true));
  const path = await writeTinyFolder(join(folder.path, 'damaged'));
  const property = fc.asyncProperty(damaged(valid, headerLength), async (bytes) => {
    await writeFile(join(path, 'model.safetensors'), bytes);
    await readsOrRefuses(path);
  });
  await fc.assert(property, { numRuns: runs(200) });
});

it('a config.json with any values is read or refused', async () => {
  const path = await writeTinyFolder(join(folder.path, 'configured'));
  const key = fc.constantFrom(...Object.keys(tinyJson), ...OPTIONAL_FIELDS);
  const property = fc.asyncProperty(fc.dictionary(key, anyValue), async (changes) => {
    await writeFile(join(path, 'config.json'), JSON.stringify({ ...tinyJson, ...changes }));
    await readsOrRefuses(path);
  });
  await fc.assert(property, { numRuns: runs(150) });
});

it.each([...Object.keys(tinyJson), ...OPTIONAL_FIELDS])(
  'a config.json with any %s is read or refused',
  async (field) => {
    const path = await writeTinyFolder(join(folder.path, 'one-field'));
    const property = fc.asyncProperty(anyValue, async (value) => {
      await writeFile(join(path, 'config.json'), JSON.stringify({ ...tinyJson, [field]: value }));
      await readsOrRefuses(path);
    });
    await fc.assert(property, { numRuns: runs(10) });
  },
);

it('a folder whose other files are any JSON is read or refused', async () => {
  const path = await writeTinyFolder(join(folder.path, 'other-files'));
  const part = fc.oneof(anyValue, fc.array(anyValue), fc.dictionary(fc.string(), anyValue));
  const files = fc.record({
    'tokenizer.json': fc.oneof(part, fc.record({ added_tokens: part, model: part, post_processor: part })),
    'tokenizer_config.json': fc.oneof(part, fc.record({ eos_token: part, chat_template: part })),
    'generation_config.json': fc.oneof(
      part,
      fc.record({ eos_token_id: part, bos_token_id: part, temperature: part }),
    ),
  });
  const property = fc.asyncProperty(files, async (contents) => {
    for (const [name, content] of Object.entries(contents))
      await writeFile(join(path, name), JSON.stringify(content));
    await readsOrRefuses(path);
  });
  await fc.assert(property, { numRuns: runs(100) });
});

it('a GGUF file with any values is read or refused', async () => {
  const { metadata, tensors } = tinyGguf();
  const path = join(folder.path, 'valued.gguf');
  const number = fc.constantFrom(0, 1, 2, 4, 2 ** 32 - 1, 0.5, 1n << 60n);
  const value = fc.oneof(number, fc.boolean(), fc.string(), fc.array(fc.nat(9)), fc.array(fc.string()));
  const key = fc.constantFrom(...Object.keys(metadata), ...OPTIONAL_KEYS);
  const property = fc.asyncProperty(fc.dictionary(key, value, { maxKeys: 3 }), async (changes) => {
    await writeFile(path, writeGguf({ metadata: { ...metadata, ...changes }, tensors }));
    await readsOrRefuses(path);
  });
  await fc.assert(property, { numRuns: runs(150) });
});
