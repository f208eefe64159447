import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../../../services/lib/model/open-checkpoint.js';
import { tensorNames, tensorShape } from '../../../../services/lib/model/tensor-names.js';
import { loadTokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import type { Checkpoint, ModelConfig } from '../../../../services/lib/model/types.js';
import {
  type GgufContent,
  type GgufTensor,
  type GgufValue,
  writeGguf,
} from '../../../support/model/gguf-writer.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { tinyConfig, tinyGguf, tinyMetadata, tinyWeights } from '../../../support/model/tiny-model.js';

const folder = temporaryFolder();

async function openBytes(bytes: Uint8Array): Promise<Checkpoint> {
  const path = join(folder.path, 'model.gguf');
  await writeFile(path, bytes);
  return openCheckpoint(path, undefined, folder.path);
}

const openContent = (content: GgufContent) => openBytes(writeGguf(content));

/** The configuration of the tiny model after a change to its metadata or tensors. */
async function configOf(metadata: Record<string, GgufValue>, tensors?: GgufTensor[]): Promise<ModelConfig> {
  const tiny = tinyGguf();
  const checkpoint = await openContent({
    metadata: { ...tiny.metadata, ...metadata },
    tensors: tensors ?? tiny.tensors,
  });
  await checkpoint.close();
  return checkpoint.config;
}

/** The tiny model with one tensor changed. */
const withTensor = (name: string, change: Partial<GgufTensor>): GgufContent => {
  const tiny = tinyGguf();
  return {
    ...tiny,
    tensors: tiny.tensors.map((each) => (each.name === name ? { ...each, ...change } : each)),
  };
};

const withMetadata = (metadata: Record<string, GgufValue>): GgufContent => ({
  ...tinyGguf(),
  metadata: { ...tinyGguf().metadata, ...metadata },
});

const TOKENS = tinyMetadata['tokenizer.ggml.tokens'] as string[];

/** Other tokens, the last of them of a given type. */
const vocabularyOf = (tokens: string[], lastType = 1): Record<string, GgufValue> => ({
  'tokenizer.ggml.tokens': tokens,
  'tokenizer.ggml.token_type': tokens.map((_, id) => (id < 2 ? 3 : id === tokens.length - 1 ? lastType : 1)),
});

const vector = (name: string, values: number[]): GgufTensor => ({
  name,
  shape: [values.length],
  data: Float32Array.from(values),
});

describe('a GGUF file', () => {
  it('opens with its configuration, tokens and every tensor', async () => {
    const checkpoint = await openContent(tinyGguf());
    expect(checkpoint.config).toEqual(tinyConfig);
    expect(checkpoint.text).toMatchObject({ bosId: 0, eosIds: [1] });
    for (const name of tensorNames(tinyConfig)) {
      expect(checkpoint.shape(name)).toEqual(tensorShape(tinyConfig, name));
      expect(await checkpoint.read(name)).toEqual(tinyWeights(name));
    }
    await checkpoint.close();
  });

  it('says how its tokens are to be sampled, and is warned of where no request could ask for that', async () => {
    const good = await openContent(
      withMetadata({
        'general.sampling.temp': 0.2,
        'general.sampling.top_p': 0.95,
        'general.sampling.top_k': 40,
        'general.sampling.penalty_repeat': 1.1,
      }),
    );
    await good.close();
    expect(good.sampling).toEqual({ temperature: 0.2, top_p: 0.95, top_k: 40, repetition_penalty: 1.1 });
    expect(good.warnings).toEqual([]);

    const bad = await openContent(
      withMetadata({
        'general.sampling.temp': 7,
        'general.sampling.top_k': 'x',
        'general.sampling.min_p': 0.1,
        'general.sampling.top_p': [1],
      }),
    );
    await bad.close();
    expect(bad.sampling).toEqual({ min_p: 0.1 });
    expect(bad.warnings.map(({ message }) => message)).toEqual([
      'general.sampling.temp is 7: expected number to be <=2',
      'general.sampling.top_p: expected number, received array',
      'general.sampling.top_k is "x": expected number, received string',
    ]);
  });

  it('keeps a byte order mark that is a token, or the beginning of one', async () => {
    const tokens = [...TOKENS.slice(0, 8), '\ufeff', '\ufeffa'];
    const before = { 'some numbers': [1, 2], 'some texts': ['\ufeff', 'x'], 'a text': '\ufeffx' };
    const metadata = { ...before, ...tinyMetadata, ...vocabularyOf(tokens) };
    const checkpoint = await openContent({ ...tinyGguf(), metadata });
    await checkpoint.close();
    const tokenizer = loadTokenizer(checkpoint.text);
    expect(tokens.map((token) => tokenizer.idOf(token))).toEqual([...tokens.keys()]);
  });

  it.each(['layers.1.q', 'layers.1.down', 'embed'] as const)('reads any rows of %s', async (name) => {
    const checkpoint = await openContent(tinyGguf());
    const [rows, columns] = tensorShape(tinyConfig, name) as [number, number];
    const whole = tinyWeights(name);
    for (let start = 0; start <= rows; start++) {
      for (let end = start; end <= rows; end++) {
        const read = await checkpoint.read(name, { start, end });
        expect(read).toEqual(whole.slice(start * columns, end * columns));
      }
    }
    await expect(checkpoint.read(name, { start: 0, end: rows + 1 })).rejects.toThrow(`which has ${rows}`);
    await expect(checkpoint.read(name, { start: -1, end: 1 })).rejects.toThrow('rows -1 to 1');
    await checkpoint.close();
  });

  it('without an output matrix has a tied head', async () => {
    const tiny = tinyGguf();
    const checkpoint = await openContent({
      ...tiny,
      tensors: tiny.tensors.filter(({ name }) => name !== 'output.weight'),
    });
    expect(checkpoint.config.tiedHead).toBe(true);
    expect(await checkpoint.read('head')).toEqual(tinyWeights('embed'));
    await checkpoint.close();
  });

  it('keeps another alignment', async () => {
    const checkpoint = await openContent(withMetadata({ 'general.alignment': 64 }));
    expect(await checkpoint.read('final_norm')).toEqual(tinyWeights('final_norm'));
    await checkpoint.close();
  });

  it('has as many key-value heads as heads unless it says', async () => {
    const metadata = Object.fromEntries(
      Object.entries(tinyGguf().metadata).filter(([key]) => key !== 'llama.attention.head_count_kv'),
    );
    const tensors = tinyGguf().tensors.map((tensor) =>
      /attn_[kv]/.test(tensor.name) ? { ...tensor, shape: [8, 8], data: new Float32Array(64) } : tensor,
    );
    const checkpoint = await openContent({ metadata, tensors });
    expect(checkpoint.config.kvHeads).toBe(2);
    await checkpoint.close();
  });

  it('is served up to the window of its attention', async () => {
    expect(await configOf({ 'llama.attention.sliding_window': 16 })).toMatchObject({ maxPositions: 16 });
    expect(await configOf({ 'llama.attention.sliding_window': 999 })).toMatchObject({ maxPositions: 64 });
  });

  it('has no window of its attention where that is 0', async () => {
    expect(await configOf({ 'llama.attention.sliding_window': 0 })).toEqual(tinyConfig);
  });

  it('is named after its file where its name is empty', async () => {
    expect(await configOf({ 'general.name': '' })).toEqual({ ...tinyConfig, name: 'model' });
  });

  it('may count for each layer what is equal in all of them', async () => {
    const lists = {
      'llama.attention.head_count': [2, 2],
      'llama.attention.head_count_kv': [1, 1],
      'llama.feed_forward_length': [12, 12],
    };
    expect(await configOf(lists)).toEqual(tinyConfig);
  });

  it('may have counts of 0 where it means none', async () => {
    const none = ['expert_count', 'attention.key_length', 'attention.value_length', 'rope.dimension_count'];
    expect(await configOf(Object.fromEntries(none.map((key) => [`llama.${key}`, 0])))).toEqual(tinyConfig);
  });

  it('without a limit to its context has one all the same', async () => {
    expect(await configOf({ 'llama.context_length': 1n << 60n })).toMatchObject({ maxPositions: 2 ** 24 });
  });

  it('takes 64-bit counts', async () => {
    expect(await configOf({ 'llama.context_length': 64n })).toEqual(tinyConfig);
  });
});

describe('the tokens of a GGUF file', () => {
  const openWith = async (metadata: Record<string, GgufValue>): Promise<Checkpoint> => {
    const checkpoint = await openContent(withMetadata(metadata));
    await checkpoint.close();
    return checkpoint;
  };

  it('are those that it has: other ids are warned of by the name of the field', async () => {
    const { text, warnings } = await openWith({
      'tokenizer.ggml.eos_token_id': 4_294_967_295,
      'tokenizer.ggml.bos_token_id': 99_999n,
      'tokenizer.ggml.add_bos_token': true,
    });
    expect(text).toMatchObject({ bosId: null, eosIds: [1] });
    expect(loadTokenizer(text).encode('ab', { addSpecialTokens: true })).not.toContain(99_999);
    expect(warnings.map((each) => each.toLine('warning'))).toEqual([
      'warning[checkpoint_invalid]: tokenizer.ggml.bos_token_id is 99999, which is none of the 10 tokens (the value is not used)',
      'warning[checkpoint_invalid]: tokenizer.ggml.eos_token_id is 4294967295, which is none of the 10 tokens (the value is not used)',
    ]);
  });

  it('may be fewer than the rows of the matrices', async () => {
    const { text, config, warnings } = await openWith(vocabularyOf(TOKENS.slice(0, 8)));
    expect([config.vocabulary, warnings]).toEqual([10, []]);
    const tokenizer = loadTokenizer(text);
    expect(tokenizer.bytesOf(9)).toHaveLength(0);
    expect(tokenizer.decode([2, 9, 3])).toBe('ab');
  });

  it('that were added without a row are text, and warned of', async () => {
    const { text, warnings } = await openWith(vocabularyOf([...TOKENS, '<pad>'], 3));
    expect(warnings.map(({ message }) => message)).toEqual([
      'the added token "<pad>" (10), beyond the 10 rows of the embedding',
    ]);
    const ids = loadTokenizer(text).encode('a<pad>b', { addSpecialTokens: false });
    expect(ids.every((id) => id < 10)).toBe(true);
  });
});

describe('rotary scaling in a GGUF file', () => {
  const scalingOf = async (metadata: Record<string, GgufValue>, factors?: number[]) => {
    const extra = factors === undefined ? [] : [vector('rope_freqs.weight', factors)];
    return (await configOf(metadata, [...tinyGguf().tensors, ...extra])).ropeScaling;
  };

  it('is linear with a factor', async () => {
    const linear = { type: 'linear', factor: 4 };
    const factor = { 'llama.rope.scaling.factor': 4 };
    expect(await scalingOf({ ...factor, 'llama.rope.scaling.type': 'linear' })).toEqual(linear);
    expect(await scalingOf(factor)).toEqual(linear);
    expect(await scalingOf({ 'llama.rope.scale_linear': 4 })).toEqual(linear);
    expect(await scalingOf({ ...factor, 'llama.rope.scaling.type': 'none' })).toBeNull();
    expect(await scalingOf({ 'llama.rope.scaling.factor': 0 })).toBeNull();
  });

  it("is one divisor per frequency where Llama 3.1's was converted", async () => {
    expect(await scalingOf({}, [1, 8])).toEqual({ type: 'factors', factors: [1, 8] });
  });

  it.each([
    [{}, [1, 2, 3], 'checkpoint_invalid', 'there are 3 rotary factors for 2 frequencies'],
    [{}, [1, 0], 'checkpoint_invalid', 'a rotary factor is not a positive number'],
    [
      { 'llama.rope.scaling.type': 'yarn' },
      undefined,
      'unsupported_architecture',
      'rotary scaling "yarn" is not supported',
    ],
  ])('is refused as %j with factors %j', async (metadata, factors, code, message) => {
    await expect(scalingOf(metadata as Record<string, GgufValue>, factors)).rejects.toMatchObject({
      code,
      message,
    });
  });
});

describe('a bad GGUF file', () => {
  const norm = 'blk.0.attn_norm.weight';
  const cases: [string, GgufContent, string, string][] = [
    [
      'another magic',
      { ...tinyGguf(), magic: 'GGML' },
      'not_a_checkpoint',
      'the file does not start with the magic GGUF',
    ],
    ['version 1', { ...tinyGguf(), version: 1 }, 'checkpoint_invalid', 'GGUF version 1 is not supported'],
    ['version 4', { ...tinyGguf(), version: 4 }, 'checkpoint_invalid', 'GGUF version 4 is not supported'],
    [
      'big-endian order',
      { ...tinyGguf(), version: 3 << 24 },
      'checkpoint_invalid',
      'GGUF version 50331648 is not supported',
    ],
    [
      'absurdly many tensors',
      { ...tinyGguf(), tensorCount: 1n << 60n },
      'checkpoint_truncated',
      'the header counts 1152921504606846976 tensors',
    ],
    [
      'absurdly many keys',
      { ...tinyGguf(), metadataCount: 90_000n },
      'checkpoint_truncated',
      '90000 key-value pairs',
    ],
    [
      'a part of a model',
      withMetadata({ 'split.count': 3 }),
      'checkpoint_invalid',
      'the file is one of 3 parts of a model',
    ],
    [
      'a tensor past the end',
      withTensor('output.weight', { offset: 1n << 20n }),
      'checkpoint_truncated',
      'tensor "output.weight" ends at byte',
    ],
    [
      'an offset of 64 bits',
      withTensor(norm, { offset: (1n << 64n) - 1n }),
      'checkpoint_truncated',
      `tensor "${norm}" ends at byte`,
    ],
    [
      'tensors that overlap',
      withTensor(norm, { offset: 0n }),
      'checkpoint_invalid',
      `tensors "token_embd.weight" and "${norm}" overlap`,
    ],
    [
      'two tensors of a name',
      withTensor(norm, { name: 'blk.0.ffn_norm.weight' }),
      'checkpoint_invalid',
      'two tensors are named "blk.0.ffn_norm.weight"',
    ],
    [
      'a tensor too large for any file',
      withTensor(norm, { shape: [1 << 30, 1 << 30] }),
      'checkpoint_invalid',
      'impossible shape',
    ],
    ['an empty tensor', withTensor(norm, { shape: [0] }), 'checkpoint_invalid', 'impossible shape [0]'],
    [
      'rows that are not whole blocks',
      withTensor(norm, { type: 3 }),
      'checkpoint_invalid',
      'not whole Q4_1 blocks of 32',
    ],
    [
      'a quantisation of another kind',
      withTensor(norm, { type: 10 }),
      'unsupported_quantization',
      `tensor "${norm}" is stored as Q2_K`,
    ],
    [
      'a tensor of another shape',
      withTensor(norm, { shape: [4, 2] }),
      'checkpoint_invalid',
      `tensor "${norm}" has the shape [4, 2], not [8]`,
    ],
    [
      'a missing tensor',
      withTensor(norm, { name: 'blk.7.attn_norm.weight' }),
      'checkpoint_invalid',
      `there is no tensor "${norm}"`,
    ],
    [
      'a tensor that nothing reads',
      { ...tinyGguf(), tensors: [...tinyGguf().tensors, vector('blk.0.attn_q.bias', [1])] },
      'unsupported_architecture',
      'tensor "blk.0.attn_q.bias" is not part of a llama model',
    ],
    [
      'another architecture',
      withMetadata({ 'general.architecture': 'gemma3' }),
      'unsupported_architecture',
      'the architecture "gemma3" is not supported',
    ],
    [
      'no architecture',
      withMetadata({ 'general.architecture': 7 }),
      'checkpoint_invalid',
      'the GGUF metadata lacks general.architecture',
    ],
    [
      'experts',
      withMetadata({ 'llama.expert_count': 8 }),
      'unsupported_architecture',
      'a mixture of experts is not supported',
    ],
    [
      'partial rotary embedding',
      withMetadata({ 'llama.rope.dimension_count': 2 }),
      'unsupported_architecture',
      'partial rotary embedding is not supported',
    ],
    [
      'a count of the wrong type',
      withMetadata({ 'llama.block_count': 'two' }),
      'checkpoint_invalid',
      'the GGUF metadata: llama.block_count',
    ],
    [
      'no layers',
      withMetadata({ 'llama.block_count': 0 }),
      'checkpoint_invalid',
      'the GGUF metadata: llama.block_count',
    ],
    [
      'more layers than tensors',
      withMetadata({ 'llama.block_count': 1 << 24 }),
      'checkpoint_invalid',
      'there is no tensor "blk.2.attn_norm.weight"',
    ],
    [
      'heads that differ between layers',
      withMetadata({ 'llama.attention.head_count_kv': [1, 2] }),
      'unsupported_architecture',
      'another llama.attention.head_count_kv in some layers',
    ],
    [
      'fewer rows of the head than of the embedding',
      withTensor('output.weight', { shape: [9, 8] }),
      'checkpoint_invalid',
      'tensor "output.weight" has the shape [9, 8], not [10, 8]',
    ],
    [
      'more tokens than rows',
      withMetadata(vocabularyOf([...TOKENS, 'i'])),
      'checkpoint_invalid',
      'the tokenizer has "i" (10), but the embedding only 10 rows',
    ],
    [
      'heads that do not share evenly',
      withMetadata({ 'llama.attention.head_count_kv': 3 }),
      'checkpoint_invalid',
      '2 heads do not share 3 key-value heads evenly',
    ],
    [
      'a head of a broken size',
      withMetadata({ 'llama.attention.head_count': 3, 'llama.attention.head_count_kv': 3 }),
      'checkpoint_invalid',
      "a head's size is 2.66",
    ],
    [
      'an absurd alignment',
      withMetadata({ 'general.alignment': 2 ** 31 }),
      'checkpoint_invalid',
      'general.alignment is 2147483648',
    ],
  ];

  it.each(cases)('with %s is refused', async (what, content, code, message) => {
    // The writer would pad to the absurd alignment; the reader must not get that far.
    const bytes = what === 'an absurd alignment' ? withAlignment(2 ** 31) : writeGguf(content);
    await expect(openBytes(bytes)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it('that Git LFS has not fetched is told apart', async () => {
    await expect(
      openBytes(Buffer.from('version https://git-lfs.github.com/spec/v1\n')),
    ).rejects.toMatchObject({
      code: 'not_a_checkpoint',
      message: 'the file is only a pointer of Git LFS',
    });
  });

  it('with a tokenizer that cannot be served is refused', async () => {
    await expect(openContent(withMetadata({ 'tokenizer.ggml.model': 'bert' }))).rejects.toMatchObject({
      code: 'unsupported_tokenizer',
    });
  });

  it('is refused wherever it is cut off', async () => {
    const whole = writeGguf(tinyGguf());
    for (let length = 0; length < whole.length - 32; length += 61) {
      await expect(openBytes(whole.subarray(0, length))).rejects.toMatchObject({
        code: length < 4 ? 'not_a_checkpoint' : 'checkpoint_truncated',
      });
    }
  });

  it('with an array longer than itself is refused', async () => {
    const bytes = Buffer.from(writeGguf(tinyGguf()));
    const length = bytes.indexOf('tokenizer.ggml.tokens') + 'tokenizer.ggml.tokens'.length + 8;
    expect(bytes.readBigUInt64LE(length)).toBe(10n);
    bytes.writeBigUInt64LE(999_999n, length);
    await expect(openBytes(bytes)).rejects.toMatchObject({
      code: expect.stringMatching(/^checkpoint_(invalid|truncated)$/) as string,
    });
  });
});

/** The tiny model, declaring an alignment that it does not keep. */
function withAlignment(alignment: number): Uint8Array {
  const bytes = Buffer.from(writeGguf(withMetadata({ 'general.alignment': 32 })));
  const key = bytes.indexOf('general.alignment');
  bytes.writeUInt32LE(alignment, key + 'general.alignment'.length + 4);
  return bytes;
}

it('is not opened once the signal is aborted', async () => {
  const path = join(folder.path, 'aborted.gguf');
  await writeFile(path, writeGguf(tinyGguf()));
  await expect(openCheckpoint(path, AbortSignal.abort(), folder.path)).rejects.toThrow('aborted');
});
