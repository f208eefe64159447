import { GGMLQuantizationType } from '@huggingface/gguf';
import { Q4_0, Q8_0 } from '../../../services/lib/model/gguf/blocks.js';
import { toHalf } from '../../../services/lib/model/float16.js';

export const WEIGHTS_IN_BLOCK = 32;
const SCALE_BYTES = 2;

/** How random bytes become weights: a block is a scale, which is the same for all of a matrix, and then levels. */
interface RandomEncoding {
  readonly type: GGMLQuantizationType;
  /** llama.cpp's number for a file that is mostly of this type. */
  readonly fileType: number;
  readonly blockBytes: number;
  /**
   * What each random byte is stored as. Levels reach one further down than up; the odd one becomes zero, for a mean
   * below zero would grow from layer to layer.
   */
  readonly levels: Uint8Array;
  /** Standard deviation of the levels. */
  readonly deviation: number;
}

export type TypeName = 'Q8_0' | 'Q4_0';

export const randomEncodings: Readonly<Record<TypeName, RandomEncoding>> = {
  Q8_0: {
    type: GGMLQuantizationType.Q8_0,
    fileType: 7,
    blockBytes: Q8_0.blockBytes,
    levels: Uint8Array.from({ length: 256 }, (_, byte) => (byte === 0x80 ? 0 : byte)),
    deviation: deviationOf(127),
  },
  Q4_0: {
    type: GGMLQuantizationType.Q4_0,
    fileType: 2,
    blockBytes: Q4_0.blockBytes,
    levels: Uint8Array.from({ length: 256 }, (_, byte) => {
      const [low, high] = [byte & 0x0f, byte & 0xf0];
      return (low === 0 ? 0x08 : low) | (high === 0 ? 0x80 : high);
    }),
    deviation: deviationOf(7),
  },
};

/** Of -greatest … greatest, each as likely, and zero twice. */
function deviationOf(greatest: number): number {
  const squares = (greatest * (greatest + 1) * (2 * greatest + 1)) / 3;
  return Math.sqrt(squares / (2 * greatest + 2));
}

/** Fills whole blocks with weights of that standard deviation, mean zero, evenly distributed. */
export function fillBlocks(
  bytes: Uint8Array,
  { blockBytes, levels, deviation }: RandomEncoding,
  spread: number,
  random: RandomWords,
): void {
  random.fill(bytes);
  const scale = toHalf(spread / deviation);
  for (let block = 0; block < bytes.length; block += blockBytes) {
    bytes[block] = scale & 0xff;
    bytes[block + 1] = scale >>> 8;
    for (let i = block + SCALE_BYTES; i < block + blockBytes; i++) bytes[i] = levels[bytes[i]!]!;
  }
}

/**
 * Random bits at about a gigabyte a second: xorshift128 (Marsaglia, "Xorshift RNGs", 2003). A 13B model takes 14 GB of
 * them, and nobody's security depends on it.
 */
export class RandomWords {
  #x: number;
  #y = 362_436_069;
  #z = 521_288_629;
  #w = 88_675_123;

  constructor(seed: number) {
    this.#x = seed >>> 0;
    // Close seeds start alike, and drift apart in the first few steps.
    this.fill(new Uint8Array(256));
  }

  /** Fills all of `bytes`, which begin at a multiple of four in their buffer. */
  fill(bytes: Uint8Array): void {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    let [x, y, z, w] = [this.#x, this.#y, this.#z, this.#w];
    const next = (): number => {
      const t = x ^ (x << 11);
      x = y;
      y = z;
      z = w;
      w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
      return w;
    };
    for (let i = 0; i < words.length; i++) words[i] = next();
    for (let i = words.length * 4; i < bytes.length; i++) bytes[i] = next();
    [this.#x, this.#y, this.#z, this.#w] = [x, y, z, w];
  }

  /** A number in [0, 1) of 32 bits. */
  uniform(): number {
    const word = new Uint8Array(4);
    this.fill(word);
    return new DataView(word.buffer).getUint32(0, true) / 2 ** 32;
  }
}
