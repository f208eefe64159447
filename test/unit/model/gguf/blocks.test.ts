import { readFileSync } from 'node:fs';
import { GGMLQuantizationType } from '@huggingface/gguf';
import { ggufEncoding } from '../../../../services/lib/model/gguf/blocks.js';

const fixture = JSON.parse(
  readFileSync(new URL('../../../fixtures/gguf-quants.json', import.meta.url), 'utf8'),
) as { encodings: Record<string, { bytes: string; values: string }> };

const floats = (base64: string): Float32Array =>
  new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);

describe.each(Object.entries(fixture.encodings))('%s', (name, { bytes, values }) => {
  const encoding = ggufEncoding(GGMLQuantizationType[name as keyof typeof GGMLQuantizationType], 'a tensor');
  const encoded = new Uint8Array(Buffer.from(bytes, 'base64'));
  const expected = floats(values);

  it('decodes to the very values of the Python package gguf', () => {
    const weights = new Float32Array(expected.length);
    encoding.dequantize(encoded, weights);
    expect(encoded.length / encoding.blockBytes).toBe(expected.length / encoding.blockSize);
    expect([...weights]).toEqual([...expected]);
  });

  it('decodes a part of a buffer into a part of an array', () => {
    const second = encoded.subarray(encoding.blockBytes, 2 * encoding.blockBytes);
    const weights = new Float32Array(encoding.blockSize + 2).fill(7);
    encoding.dequantize(second, weights.subarray(1, -1));
    expect([...weights]).toEqual([7, ...expected.subarray(encoding.blockSize, 2 * encoding.blockSize), 7]);
  });
});

it('names a quantisation that it does not know', () => {
  const decode = () => ggufEncoding(GGMLQuantizationType.IQ2_XS, 'blk.0.attn_q.weight');
  expect(decode).toThrow('tensor "blk.0.attn_q.weight" is stored as IQ2_XS');
  expect(() => ggufEncoding(77, 'x')).toThrow('tensor "x" is stored as type 77');
});
