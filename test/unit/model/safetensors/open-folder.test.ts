import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../../../services/lib/model/open-checkpoint.js';
import { tensorNames } from '../../../../services/lib/model/tensor-names.js';
import type { ModelConfig } from '../../../../services/lib/model/types.js';
import {
  type SafetensorsTensor,
  withHeader,
  writeSafetensors,
} from '../../../support/model/safetensors-writer.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import {
  tinyConfig,
  tinyJson,
  tinySafetensors,
  tinyTokenizer,
  tinyWeights,
  writeTinyFolder,
} from '../../../support/model/tiny-model.js';

const folder = temporaryFolder();
const LFS_POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n';
const norm = 'model.layers.0.input_layernorm.weight';

/** Opens the tiny model's folder with other files in it. */
async function openWith(files: Record<string, unknown> = {}) {
  const path = join(folder.path, 'tiny');
  await rm(path, { recursive: true, force: true });
  return openCheckpoint(await writeTinyFolder(path, files), undefined, folder.path);
}

async function configOf(json: object, tensors = tinySafetensors()): Promise<ModelConfig> {
  const checkpoint = await openWith({
    'config.json': { ...tinyJson, ...json },
    'model.safetensors': writeSafetensors(tensors),
  });
  await checkpoint.close();
  return checkpoint.config;
}

const withTensor = (name: string, change: Partial<SafetensorsTensor>) => {
  const tensors = tinySafetensors();
  return writeSafetensors({ ...tensors, [name]: { ...tensors[name]!, ...change } });
};

describe('a Hugging Face folder', () => {
  it('opens with its configuration and every tensor', async () => {
    const checkpoint = await openWith();
    expect(checkpoint.config).toEqual(tinyConfig);
    for (const name of tensorNames(tinyConfig))
      expect(await checkpoint.read(name)).toEqual(tinyWeights(name));
    expect(await checkpoint.read('layers.1.q', { start: 3, end: 5 })).toEqual(
      tinyWeights('layers.1.q').slice(3 * 8, 5 * 8),
    );
    await checkpoint.close();
  });

  it('may have its weights in several files', async () => {
    const tensors = Object.entries(tinySafetensors());
    const files = {
      'model-00001-of-00002.safetensors': tensors.slice(0, 9),
      'model-00002-of-00002.safetensors': tensors.slice(9),
    };
    const weight_map = Object.fromEntries(
      Object.entries(files).flatMap(([file, held]) => held.map(([name]) => [name, file])),
    );
    const checkpoint = await openWith({
      'model.safetensors.index.json': { weight_map },
      ...Object.fromEntries(
        Object.entries(files).map(([file, held]) => [file, writeSafetensors(Object.fromEntries(held))]),
      ),
    });
    for (const name of tensorNames(tinyConfig))
      expect(await checkpoint.read(name)).toEqual(tinyWeights(name));
    await checkpoint.close();
  });

  it('has its text files read, with the tokens that end a turn', async () => {
    const checkpoint = await openWith({
      'tokenizer_config.json': { add_bos_token: true, chat_template: 'old' },
      'chat_template.jinja': 'new',
      'generation_config.json': { eos_token_id: [1, 3] },
    });
    expect(checkpoint.text).toEqual({
      tokenizer: tinyTokenizer,
      tokenizerConfig: { add_bos_token: true, chat_template: 'new' },
      bosId: 0,
      eosIds: [1, 3],
    });
    await checkpoint.close();
  });

  it('ends turns at what both files name, where the older one means a control token', async () => {
    const endsOf = async (configured: unknown, generated: unknown) => {
      const checkpoint = await openWith({
        'config.json': { ...tinyJson, eos_token_id: configured },
        'generation_config.json': { eos_token_id: generated },
      });
      await checkpoint.close();
      return checkpoint.text.eosIds;
    };
    // "</s>", the token 1, is an end by its text alone.
    expect(await endsOf(0, 3)).toEqual([3, 0, 1]);
    expect(await endsOf([4, 5], [3])).toEqual([3, 1]);
    expect(await endsOf([4, 5], null)).toEqual([4, 5, 1]);
    expect(await endsOf(null, null)).toEqual([1]);
  });

  it('says how its tokens are to be sampled in the fields that vLLM takes', async () => {
    const checkpoint = await openWith({
      'generation_config.json': {
        ...{ do_sample: false, temperature: 0.6, top_p: 0.9, top_k: 50, min_p: null, max_new_tokens: 2048 },
        repetition_penalty: 'strong',
      },
    });
    expect(checkpoint.sampling).toEqual({ temperature: 0.6, top_p: 0.9, top_k: 50 });
    expect(checkpoint.warnings.map((warning) => warning.toLine('warning'))).toEqual([
      expect.stringContaining(
        'generation_config.json: repetition_penalty is "strong": expected number, received string (the value is not used',
      ) as string,
    ]);
    await checkpoint.close();
    const without = await openWith({});
    expect(without.sampling).toEqual({});
    await without.close();
  });

  it('may have its chat template in a JSON file of its own', async () => {
    const checkpoint = await openWith({
      'tokenizer_config.json': { chat_template: 'old' },
      'chat_template.json': { chat_template: 'new' },
    });
    expect(checkpoint.text.tokenizerConfig).toEqual({ chat_template: 'new' });
    await checkpoint.close();
  });

  it('without a generation_config.json ends at the token of its config.json', async () => {
    const checkpoint = await openWith();
    expect(checkpoint.text).toMatchObject({ tokenizerConfig: {}, bosId: 0, eosIds: [1] });
    await checkpoint.close();
  });

  it('may be tied, with or without a head in the file', async () => {
    const { 'lm_head.weight': head, ...tensors } = tinySafetensors();
    expect(await configOf({ tie_word_embeddings: true }, tensors)).toMatchObject({ tiedHead: true });
    expect(
      await configOf({ tie_word_embeddings: true }, { ...tensors, 'lm_head.weight': head! }),
    ).toMatchObject({
      tiedHead: true,
    });
  });

  it('without a head is tied unless it says otherwise', async () => {
    const { 'lm_head.weight': head, ...tensors } = tinySafetensors();
    expect(head).toBeDefined();
    for (const tie_word_embeddings of [undefined, null])
      expect(await configOf({ tie_word_embeddings }, tensors)).toMatchObject({ tiedHead: true });
    await expect(configOf({}, tensors)).rejects.toMatchObject({
      code: 'checkpoint_invalid',
      message: 'there is no tensor "lm_head.weight"',
    });
    expect(await configOf({ tie_word_embeddings: null })).toMatchObject({ tiedHead: false });
  });

  it('has as many tokens as its matrices have rows, whatever its config.json says', async () => {
    const checkpoint = await openWith({ 'config.json': { ...tinyJson, vocab_size: 9 } });
    await checkpoint.close();
    expect(checkpoint.config).toEqual(tinyConfig);
    expect(checkpoint.warnings.map(({ message }) => message)).toEqual([
      'config.json: vocab_size is 9, but the embedding has 10 rows',
    ]);
  });

  it('is refused where the head has not as many rows as the embedding', async () => {
    const weights = withTensor('lm_head.weight', { shape: [9, 8], data: new Float32Array(72) });
    await expect(openWith({ 'model.safetensors': weights })).rejects.toMatchObject({
      code: 'checkpoint_invalid',
      message: 'tensor "lm_head.weight" has the shape [9, 8], not [10, 8]',
    });
  });

  it.each([NaN, Infinity, -Infinity])('with the weight %d is refused when that is read', async (weight) => {
    const data = Float32Array.from([1, 1, 1, weight, 1, 1, 1, 1]);
    const checkpoint = await openWith({ 'model.safetensors': withTensor(norm, { data }) });
    await expect(checkpoint.read('layers.0.attn_norm')).rejects.toMatchObject({
      code: 'checkpoint_invalid',
      message: `tensor "${norm}" holds a weight that is no finite number`,
    });
    await checkpoint.close();
  });

  it('may hold bfloat16', async () => {
    const halves = new Uint16Array(
      new Uint32Array(Float32Array.from([1, -2, 0.5, 4, 0, 8, -1, 3]).buffer).map((bits) => bits >>> 16),
    );
    const checkpoint = await openWith({
      'model.safetensors': withTensor(norm, { dtype: 'BF16', data: new Uint8Array(halves.buffer) }),
    });
    expect([...(await checkpoint.read('layers.0.attn_norm'))]).toEqual([1, -2, 0.5, 4, 0, 8, -1, 3]);
    await checkpoint.close();
  });

  it('is named after its Hub id where it is a snapshot', async () => {
    const path = join(folder.path, 'models--org--name', 'snapshots', 'a'.repeat(40));
    const checkpoint = await openCheckpoint(await writeTinyFolder(path), undefined, folder.path);
    expect(checkpoint.config.name).toBe('org/name');
    await checkpoint.close();
  });
});

describe('the tokens of a Hugging Face folder', () => {
  const { vocab } = tinyTokenizer.model;
  const added = (id: number, content: string) => ({ id, content, special: true });
  const openWithTokenizer = async (tokenizer: object, files: Record<string, unknown> = {}) => {
    const file = { ...tinyTokenizer, ...tokenizer };
    const checkpoint = await openWith({ 'tokenizer.json': file, ...files });
    await checkpoint.close();
    return checkpoint;
  };

  it('lose those that were added without a row of the embedding', async () => {
    const known = added(0, '<s>');
    const { text, warnings } = await openWithTokenizer({
      added_tokens: [known, added(10, '<pad>'), added(11, '<call>')],
      model: { type: 'BPE', vocab: { ...vocab, '<pad>': 10 }, merges: [] },
    });
    expect(text.tokenizer).toEqual({ ...tinyTokenizer, added_tokens: [known] });
    expect(warnings.map(({ message }) => message)).toEqual([
      '2 added tokens, the first of them "<pad>" (10), beyond the 10 rows of the embedding',
    ]);
  });

  const around = (id: number) => ({ '<s>': { id: '<s>', ids: [id], tokens: ['<s>'] } });
  it.each([
    ['a token of the model', { model: { type: 'BPE', vocab: { ...vocab, d: 12 }, merges: [] } }, '"d" (12)'],
    [
      'a token around every text',
      {
        added_tokens: [added(10, '<s>')],
        post_processor: {
          type: 'Sequence',
          processors: [{ type: 'TemplateProcessing', single: [], special_tokens: around(10) }],
        },
      },
      '"<s>" (10)',
    ],
    [
      'a separator around every text',
      { post_processor: { type: 'RobertaProcessing', cls: ['<s>', 0], sep: ['</s>', 10] } },
      '"</s>" (10)',
    ],
  ])('are refused with %s that has no row', async (_, tokenizer, token) => {
    await expect(openWithTokenizer(tokenizer)).rejects.toMatchObject({
      code: 'checkpoint_invalid',
      message: `the tokenizer has ${token}, but the embedding only 10 rows`,
    });
  });

  it.each([
    ['config.json', { ...tinyJson, eos_token_id: -1 }, 'eos_token_id is -1'],
    ['config.json', { ...tinyJson, eos_token_id: [1, 10] }, 'eos_token_id is 10'],
    ['config.json', { ...tinyJson, eos_token_id: [1, [2]] }, 'eos_token_id is [2]'],
    ['generation_config.json', { eos_token_id: '2' }, 'eos_token_id is "2"'],
    ['generation_config.json', { bos_token_id: 99_999 }, 'bos_token_id is 99999'],
  ])('of a wrong id in %s are warned of: %j', async (name, content, problem) => {
    const { text, warnings } = await openWithTokenizer({}, { [name]: content });
    expect(warnings.map(({ message }) => message)).toEqual([
      `${name}: ${problem}, which is none of the 10 tokens`,
    ]);
    expect([text.bosId, ...text.eosIds].every((id) => id === 0 || id === 1)).toBe(true);
  });
});

describe('a config.json', () => {
  it('may leave a field out by null, by 0 where it counts, and by a default', async () => {
    const without = [
      'tie_word_embeddings',
      'quantization_config',
      'attention_bias',
      'mlp_bias',
      'head_dim',
      'sliding_window',
      'rope_scaling',
      'rope_parameters',
      'rope_theta',
      'hidden_act',
      'vocab_size',
      'bos_token_id',
      'eos_token_id',
      'partial_rotary_factor',
    ];
    expect(await configOf(Object.fromEntries(without.map((field) => [field, null])))).toEqual(tinyConfig);
    for (const field of ['sliding_window', 'head_dim', 'vocab_size'])
      expect(await configOf({ [field]: 0 })).toEqual(tinyConfig);
    expect(await configOf({ num_key_value_heads: 1, hidden_act: 'swish' })).toEqual(tinyConfig);
    expect(await configOf({ rms_norm_eps: null })).toMatchObject({ normEpsilon: 1e-6 });
    expect(await configOf({ max_position_embeddings: null })).toMatchObject({ maxPositions: 2048 });
    expect(await configOf({ max_position_embeddings: 2 ** 31 - 1 })).toMatchObject({ maxPositions: 2 ** 24 });
  });

  it.each([{}, { type: 'default' }, { rope_type: 'default', type: null }, { rope_type: null, factor: null }])(
    'may say by the rotary scaling %j that there is none',
    async (scaling) => {
      expect(await configOf({ rope_scaling: scaling })).toEqual(tinyConfig);
      expect(await configOf({ rope_parameters: scaling })).toEqual(tinyConfig);
    },
  );

  it('may name the type of the model instead of a class', async () => {
    expect(await configOf({ architectures: null, model_type: 'mistral' })).toEqual(tinyConfig);
  });

  it("describes Mistral, served up to its attention's window", async () => {
    const mistral = { architectures: ['MistralForCausalLM'], sliding_window: 16 };
    expect(await configOf(mistral)).toMatchObject({ maxPositions: 16 });
    expect(await configOf({ ...mistral, sliding_window: null })).toMatchObject({ maxPositions: 64 });
  });

  it("describes Llama 3.1's rotary scaling, in either form", async () => {
    const llama3 = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 32,
      rope_type: 'llama3',
    };
    const expected = {
      ropeTheta: 500_000,
      ropeScaling: {
        type: 'llama3',
        factor: 8,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalMaxPositions: 32,
      },
    };
    expect(await configOf({ rope_theta: 500_000, rope_scaling: llama3 })).toMatchObject(expected);
    expect(
      await configOf({ rope_theta: undefined, rope_parameters: { ...llama3, rope_theta: 500_000 } }),
    ).toMatchObject(expected);
  });

  it('describes linear rotary scaling, by its old name too', async () => {
    const expected = { ropeScaling: { type: 'linear', factor: 2 } };
    expect(await configOf({ rope_scaling: { rope_type: 'linear', factor: 2 } })).toMatchObject(expected);
    expect(await configOf({ rope_scaling: { type: 'linear', factor: 2 } })).toMatchObject(expected);
    expect(await configOf({ rope_parameters: { rope_type: 'default', rope_theta: 10_000 } })).toEqual(
      tinyConfig,
    );
  });

  it('may give the size of a head', async () => {
    await expect(configOf({ head_dim: 8 })).rejects.toMatchObject({
      message: 'tensor "model.layers.0.self_attn.q_proj.weight" has the shape [8, 8], not [16, 8]',
    });
    expect(await configOf({ head_dim: 4 })).toEqual(tinyConfig);
  });

  it.each([
    [
      { architectures: ['GemmaForCausalLM'] },
      'unsupported_architecture',
      '"GemmaForCausalLM" is not supported',
    ],
    [{ architectures: [] }, 'checkpoint_invalid', 'config.json has neither architectures nor model_type'],
    [{ tie_word_embeddings: 'yes' }, 'checkpoint_invalid', 'config.json: tie_word_embeddings'],
    [{ partial_rotary_factor: 0.5 }, 'unsupported_architecture', 'partial rotary embedding'],
    [
      { architectures: null, model_type: 'qwen2' },
      'unsupported_architecture',
      'the architecture "qwen2" is not supported',
    ],
    [{ attention_bias: true }, 'unsupported_architecture', 'attention bias is not supported'],
    [{ mlp_bias: true }, 'unsupported_architecture', 'MLP bias is not supported'],
    [{ hidden_act: 'gelu' }, 'unsupported_architecture', 'the activation "gelu" is not supported'],
    [
      { rope_scaling: { rope_type: 'yarn', factor: 2 } },
      'unsupported_architecture',
      'rotary scaling "yarn" is not supported',
    ],
    [
      { rope_scaling: { rope_type: 'llama3', factor: 2 } },
      'checkpoint_invalid',
      'config.json: rope_scaling: low_freq_factor',
    ],
    [{ quantization_config: { quant_method: 'gptq' } }, 'unsupported_quantization', 'quantised by gptq'],
    [{ hidden_size: '8' }, 'checkpoint_invalid', 'config.json: hidden_size'],
    [{ num_hidden_layers: 1e12 }, 'checkpoint_invalid', 'config.json: num_hidden_layers'],
    [
      { num_hidden_layers: 3 },
      'checkpoint_invalid',
      'there is no tensor "model.layers.2.input_layernorm.weight"',
    ],
  ])('with %j is refused', async (json, code, message) => {
    await expect(configOf(json)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('a bad folder', () => {
  const data = new Float32Array(8);
  const entry = (start: number, end: number) => ({ dtype: 'F32', shape: [8], data_offsets: [start, end] });
  const headed = (entries: object) => withHeader(JSON.stringify(entries), new Uint8Array(data.buffer));
  const cases: [string, Record<string, unknown>, string, string][] = [
    [
      'a config.json that is not JSON',
      { 'config.json': '{' },
      'checkpoint_invalid',
      'config.json is not JSON',
    ],
    [
      'an index that is a list',
      { 'model.safetensors.index.json': [] },
      'checkpoint_invalid',
      'model.safetensors.index.json: content',
    ],
    [
      'an index that points elsewhere',
      { 'model.safetensors.index.json': { weight_map: { a: '../model.safetensors' } } },
      'checkpoint_invalid',
      'not the name of a safetensors file',
    ],
    [
      'an index of a missing file',
      { 'model.safetensors.index.json': { weight_map: { a: 'b.safetensors' } } },
      'not_a_checkpoint',
      'b.safetensors is missing',
    ],
    [
      'the same tensor in two files',
      {
        'model.safetensors.index.json': { weight_map: { a: 'model.safetensors', b: 'b.safetensors' } },
        'b.safetensors': writeSafetensors(tinySafetensors()),
      },
      'checkpoint_invalid',
      'two files hold the tensor',
    ],
    [
      'an empty file of weights',
      { 'model.safetensors': '' },
      'checkpoint_truncated',
      'the file ends at byte 0',
    ],
    [
      'weights that Git LFS has not fetched',
      { 'model.safetensors': LFS_POINTER },
      'not_a_checkpoint',
      'model.safetensors is only a pointer of Git LFS',
    ],
    [
      'a tokenizer that Git LFS has not fetched',
      { 'tokenizer.json': LFS_POINTER },
      'not_a_checkpoint',
      'tokenizer.json is only a pointer of Git LFS',
    ],
    [
      'a tokenizer that cannot be served',
      { 'tokenizer.json': { ...tinyTokenizer, model: { type: 'Unigram', vocab: [] } } },
      'unsupported_tokenizer',
      'tokenizer.json model',
    ],
    [
      'weights that are something else',
      { 'model.safetensors': 'PK\u0003\u0004 a zip archive' },
      'checkpoint_invalid',
      'model.safetensors is not a safetensors file',
    ],
    [
      'a header longer than the file',
      { 'model.safetensors': Buffer.from([99, 0, 0, 0, 0, 0, 0, 0, 123]) },
      'checkpoint_truncated',
      'its header ends at 107',
    ],
    [
      'a header that is not JSON',
      { 'model.safetensors': withHeader('{"a"', new Uint8Array(0)) },
      'checkpoint_invalid',
      'the header of model.safetensors does not parse',
    ],
    [
      'a header that is null',
      { 'model.safetensors': withHeader('null', new Uint8Array(0)) },
      'checkpoint_invalid',
      'does not parse',
    ],
    [
      'offsets that are not numbers',
      { 'model.safetensors': headed({ a: { ...entry(0, 32), data_offsets: ['0', 32] } }) },
      'checkpoint_invalid',
      'does not parse',
    ],
    [
      'a tensor past the end',
      { 'model.safetensors': headed({ a: entry(32, 64) }) },
      'checkpoint_truncated',
      'tensor "a" ends at byte',
    ],
    [
      'tensors that overlap',
      { 'model.safetensors': headed({ a: entry(0, 32), b: entry(0, 32) }) },
      'checkpoint_invalid',
      'tensors "a" and "b" overlap',
    ],
    [
      'a size that is not its shape’s',
      { 'model.safetensors': headed({ a: entry(0, 16) }) },
      'checkpoint_invalid',
      'tensor "a" takes 16 bytes, not the 32 of its shape',
    ],
    [
      'an impossible shape',
      { 'model.safetensors': headed({ a: { ...entry(0, 32), shape: [1e15, 1e15] } }) },
      'checkpoint_invalid',
      'impossible shape',
    ],
    [
      'float8 weights',
      { 'model.safetensors': withTensor(norm, { dtype: 'F8_E4M3' }) },
      'unsupported_quantization',
      `tensor "${norm}" is stored as F8_E4M3`,
    ],
  ];

  it.each(cases)('with %s is refused', async (_, files, code, message) => {
    await expect(openWith(files)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it('without a tokenizer.json is refused', async () => {
    const path = await writeTinyFolder(join(folder.path, 'untokenized'));
    await rm(join(path, 'tokenizer.json'));
    await expect(openCheckpoint(path, undefined, folder.path)).rejects.toMatchObject({
      code: 'unsupported_tokenizer',
    });
  });

  it('without a config.json is refused', async () => {
    await expect(openCheckpoint(folder.path, undefined, folder.path)).rejects.toMatchObject({
      code: 'not_a_checkpoint',
    });
  });
});
