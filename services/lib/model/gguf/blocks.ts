import { GGMLQuantizationType } from '@huggingface/gguf';
import { ServingError } from '../../errors/serving-error.js';
import { BF16, type Encoding, F16, F32 } from '../checkpoint/encoding.js';
import { readHalf } from '../float16.js';

// The blocks of ggml's quantised types, its `block_*` structures (ggml-common.h). All fields are little-endian.

/** Decodes the block at byte `at` into the weights from `out` on. */
type DecodeBlock = (bytes: Uint8Array, at: number, weights: Float32Array, out: number) => void;

const blocks = (name: string, blockSize: number, blockBytes: number, decode: DecodeBlock): Encoding => ({
  name,
  blockSize,
  blockBytes,
  dequantize(bytes, weights) {
    for (let at = 0, out = 0; out < weights.length; at += blockBytes, out += blockSize) {
      decode(bytes, at, weights, out);
    }
  },
});

/** A byte as a number from -128 to 127. */
const signed = (byte: number): number => (byte << 24) >> 24;

/** `{ d: f16, qs: u8[16] }`: w = d · (q − 8). Low nibbles are weights 0…15 of the block, high ones 16…31. */
export const Q4_0 = blocks('Q4_0', 32, 18, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at);
  for (let i = 0; i < 16; i++) {
    const q = bytes[at + 2 + i]!;
    weights[out + i] = d * ((q & 15) - 8);
    weights[out + 16 + i] = d * ((q >> 4) - 8);
  }
});

/** `{ d: f16, m: f16, qs: u8[16] }`: w = d · q + m. Nibbles in the order of Q4_0. */
const Q4_1 = blocks('Q4_1', 32, 20, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at);
  const m = readHalf(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const q = bytes[at + 4 + i]!;
    weights[out + i] = d * (q & 15) + m;
    weights[out + 16 + i] = d * (q >> 4) + m;
  }
});

/** `{ d: f16, qh: u8[4], qs: u8[16] }`: w = d · (q − 16). Bit i of `qh` is the fifth bit of weight i. */
const Q5_0 = blocks('Q5_0', 32, 22, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at);
  for (let i = 0; i < 16; i++) {
    const q = bytes[at + 6 + i]!;
    weights[out + i] = d * (((q & 15) | fifthBit(bytes, at + 2, i)) - 16);
    weights[out + 16 + i] = d * (((q >> 4) | fifthBit(bytes, at + 2, 16 + i)) - 16);
  }
});

/** `{ d: f16, m: f16, qh: u8[4], qs: u8[16] }`: w = d · q + m. Bits in the order of Q5_0. */
const Q5_1 = blocks('Q5_1', 32, 24, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at);
  const m = readHalf(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const q = bytes[at + 8 + i]!;
    weights[out + i] = d * ((q & 15) | fifthBit(bytes, at + 4, i)) + m;
    weights[out + 16 + i] = d * ((q >> 4) | fifthBit(bytes, at + 4, 16 + i)) + m;
  }
});

/** Bit `index` of those from byte `at` on, worth 16. */
const fifthBit = (bytes: Uint8Array, at: number, index: number): number =>
  ((bytes[at + (index >> 3)]! >> (index & 7)) & 1) << 4;

/** `{ d: f16, qs: i8[32] }`: w = d · q. */
export const Q8_0 = blocks('Q8_0', 32, 34, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at);
  for (let i = 0; i < 32; i++) weights[out + i] = d * signed(bytes[at + 2 + i]!);
});

/**
 * `{ d: f16, dmin: f16, scales: u8[12], qs: u8[128] }`: w = d · scale · q − dmin · minimum in sub-blocks of
 * 32. Each 32 bytes of `qs` hold two sub-blocks, the first in the low nibbles.
 */
const Q4_K = blocks('Q4_K', 256, 144, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at);
  const dmin = readHalf(bytes, at + 2);
  for (let block = 0; block < 8; block++) {
    const scale = d * subBlockScale(bytes, at + 4, block);
    const minimum = dmin * subBlockMinimum(bytes, at + 4, block);
    const qs = at + 16 + (block >> 1) * 32;
    const shift = (block & 1) * 4;
    const first = out + block * 32;
    for (let i = 0; i < 32; i++) weights[first + i] = scale * ((bytes[qs + i]! >> shift) & 15) - minimum;
  }
});

/**
 * `{ d: f16, dmin: f16, scales: u8[12], qh: u8[32], qs: u8[128] }`: Q4_K with a fifth bit. Bit b of `qh[i]`
 * belongs to weight i of sub-block b.
 */
const Q5_K = blocks('Q5_K', 256, 176, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at);
  const dmin = readHalf(bytes, at + 2);
  for (let block = 0; block < 8; block++) {
    const scale = d * subBlockScale(bytes, at + 4, block);
    const minimum = dmin * subBlockMinimum(bytes, at + 4, block);
    const qh = at + 16;
    const qs = at + 48 + (block >> 1) * 32;
    const shift = (block & 1) * 4;
    const first = out + block * 32;
    for (let i = 0; i < 32; i++) {
      const q = ((bytes[qs + i]! >> shift) & 15) | (((bytes[qh + i]! >> block) & 1) << 4);
      weights[first + i] = scale * q - minimum;
    }
  }
});

/**
 * The 12 bytes at `at` hold eight 6-bit scales and eight 6-bit minimums, one of each per sub-block of 32
 * weights. Those of sub-blocks 0…3 are the low six bits of bytes 0…3 (scales) and 4…7 (minimums); those of
 * 4…7 have their low four bits in bytes 8…11 and their high two bits on top of bytes 0…7.
 */
const subBlockScale = (bytes: Uint8Array, at: number, block: number): number =>
  block < 4 ? bytes[at + block]! & 63 : (bytes[at + 4 + block]! & 15) | ((bytes[at + block - 4]! >> 6) << 4);

const subBlockMinimum = (bytes: Uint8Array, at: number, block: number): number =>
  block < 4 ? bytes[at + 4 + block]! & 63 : (bytes[at + 4 + block]! >> 4) | ((bytes[at + block]! >> 6) << 4);

/**
 * `{ ql: u8[128], qh: u8[64], scales: i8[16], d: f16 }`: w = d · scale · (q − 32) in sub-blocks of 16. Each
 * half of the block, 128 weights in four runs of 32, takes 64 bytes of `ql` (runs 0 and 1 in the low
 * nibbles, 2 and 3 in the high ones) and 32 bytes of `qh` (two bits for each run, run 0 lowest).
 */
const Q6_K = blocks('Q6_K', 256, 210, (bytes, at, weights, out) => {
  const d = readHalf(bytes, at + 208);
  for (let run = 0; run < 8; run++) {
    const half = run >> 2;
    const quarter = run & 3;
    const ql = at + half * 64 + (quarter & 1) * 32;
    const qh = at + 128 + half * 32;
    const lowShift = (quarter >> 1) * 4;
    const highShift = quarter * 2;
    const first = out + run * 32;
    const scales = at + 192 + run * 2;
    for (let i = 0; i < 32; i++) {
      const q = ((bytes[ql + i]! >> lowShift) & 15) | (((bytes[qh + i]! >> highShift) & 3) << 4);
      weights[first + i] = d * signed(bytes[scales + (i >> 4)]!) * (q - 32);
    }
  }
});

const encodings: ReadonlyMap<number, Encoding> = new Map(
  [F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K].map((encoding) => [
    GGMLQuantizationType[encoding.name as keyof typeof GGMLQuantizationType],
    encoding,
  ]),
);

/** By ggml's type number; throws `unsupported_quantization` with the tensor's name. */
export function ggufEncoding(type: number, tensor: string): Encoding {
  const encoding = encodings.get(type);
  if (encoding !== undefined) return encoding;
  const name = GGMLQuantizationType[type] ?? `type ${type}`;
  throw new ServingError('unsupported_quantization', `tensor "${tensor}" is stored as ${name}`);
}
