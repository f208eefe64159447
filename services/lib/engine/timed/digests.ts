import { ServingError } from '../../errors/serving-error.js';
import { type Activations, type ActivationType, newActivations } from '../../model/activations.js';
import { SHORT_WORDS } from '../../model/gguf/letter-vocabulary.js';

/*
 * What a timed engine computes instead of a model: a digest of 24 bits for each token in each layer, of what the layer
 * below says of it and of what this layer says of the token before. So a token depends, as in a model, on its whole
 * sequence and nothing else, wherever the layers are cut; and one that was forgotten, repeated or mixed up shows.
 */

/** The digest of a token in a layer: `below` is of the layer before, or the token's id; `before` is of the token before. */
export function digestOf(layer: number, below: number, before: number): number {
  let bits = Math.imul(below ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(before + layer + 1, 0xc2b2_ae35);
  bits ^= bits >>> 15;
  bits = Math.imul(bits, 0x2c1b_3c6d);
  bits ^= bits >>> 12;
  bits = Math.imul(bits, 0x297a_2d39);
  // A float holds as much exactly.
  return (bits ^ (bits >>> 15)) >>> 8;
}

/** Words that every row is cut from; more than the window of any compressor. */
const NOISE_WORDS = 1 << 18;
/** Of each word the bits that keep it a finite number: f16 twice, or f32. */
const FINITE: Record<ActivationType, number> = { f16: 0xfbff_fbff, f32: 0xff7f_ffff };
/** A row begins with its digest, as numbers that are close to 0. */
const HEADER_WORDS = 2;

/**
 * Rows of activations as a stage sends them: as many bytes as a model's, which do not compress, and are a function of
 * the row's digest and of the layer that it goes to. So the stage that receives them sees whether they are right.
 */
export class DigestRows {
  readonly #type: ActivationType;
  readonly #noise: Uint32Array;
  readonly #words: number;
  readonly #expected: Uint32Array;

  /** `hidden`, the values of a row, is even. */
  constructor(type: ActivationType, hidden: number) {
    this.#type = type;
    this.#words = (hidden * newActivations(type, 1).byteLength) / Uint32Array.BYTES_PER_ELEMENT;
    this.#expected = new Uint32Array(this.#words);
    this.#noise = new Uint32Array(NOISE_WORDS + this.#words);
    for (let at = 0, bits = 1; at < this.#noise.length; at++) {
      bits ^= bits << 13;
      bits ^= bits >>> 17;
      bits ^= bits << 5;
      this.#noise[at] = bits & FINITE[type];
    }
  }

  /** Activations `[rows, hidden]` that go to `layer`. */
  write(digests: Uint32Array, layer: number): Activations {
    const rows = new Uint32Array(digests.length * this.#words);
    for (const [row, digest] of digests.entries())
      this.#fill(rows.subarray(row * this.#words, (row + 1) * this.#words), digest, layer);
    return this.#type === 'f16' ? new Uint16Array(rows.buffer) : new Float32Array(rows.buffer);
  }

  /** The digests of rows that come to `layer`; throws `invalid_frame` for a row that is none of them. */
  read(activations: Activations, layer: number): Uint32Array {
    const { buffer, byteOffset, byteLength } = activations;
    const words = new Uint32Array(buffer, byteOffset, byteLength / Uint32Array.BYTES_PER_ELEMENT);
    return Uint32Array.from({ length: words.length / this.#words }, (_, row) => {
      const received = words.subarray(row * this.#words, (row + 1) * this.#words);
      const digest = (received[0]! & 0xff) | ((received[0]! >>> 8) & 0xff00) | ((received[1]! & 0xff) << 16);
      this.#fill(this.#expected, digest, layer);
      if (bytesOf(received).equals(bytesOf(this.#expected))) return digest;
      throw new ServingError('invalid_frame', `row ${row} is none that goes to layer ${layer}`);
    });
  }

  #fill(row: Uint32Array, digest: number, layer: number): void {
    const from = digestOf(layer, digest, 0) % NOISE_WORDS;
    row.set(this.#noise.subarray(from, from + this.#words));
    row[0] = (digest & 0xff) | ((digest & 0xff00) << 8);
    row[HEADER_WORDS - 1] = digest >>> 16;
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

const WORDS = SHORT_WORDS.end - SHORT_WORDS.first;

/** The likeliest token after a row: one of the vocabulary's short words. */
export const bestToken = (digest: number): number => SHORT_WORDS.first + (digest % WORDS);

/** Against the others, which have from 0 to `SPREAD`: at temperature 1 about every fourth token is the likeliest. */
export const BEST_LOGIT = 8;
const SPREAD = 4;
/** Of what is never said: single bytes, and the token that would end the text. */
const NEVER = -100;

/**
 * Logits of a row, of the tokens up to the last short word: those beyond are never said, and a whole vocabulary would
 * take longer to sample than the step that is emulated.
 */
export function logitsOf(digest: number, logits: Float32Array): void {
  logits.fill(NEVER, 0, SHORT_WORDS.first);
  let bits = digest + 1;
  for (let token = SHORT_WORDS.first; token < SHORT_WORDS.end; token++) {
    bits ^= bits << 13;
    bits ^= bits >>> 17;
    bits ^= bits << 5;
    logits[token] = (bits >>> 0) * (SPREAD / 2 ** 32);
  }
  logits[bestToken(digest)] = BEST_LOGIT;
}

export const LOGITS = SHORT_WORDS.end;
