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
