const MASK = 0xffff_ffff_ffff_ffffn;
const GAMMA = 0x9e37_79b9_7f4a_7c15n;

/**
 * Uniform numbers in [0, 1) with 53 random bits each, from a whole-number seed. SplitMix64 (Steele, Lea and
 * Flood, "Fast Splittable Pseudorandom Number Generators", 2014): it mixes so well that the neighbouring
 * seeds of a request's choices give unrelated streams, and one number a token is all that is asked of it. The
 * n-th number depends on the seed and n alone, so a stream goes on anywhere after the first `drawn`.
 */
export function createRandom(seed: number, drawn = 0): () => number {
  let state = (BigInt.asUintN(64, BigInt(seed)) + GAMMA * BigInt(drawn)) & MASK;
  return () => {
    state = (state + GAMMA) & MASK;
    let bits = state;
    bits = ((bits ^ (bits >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK;
    bits = ((bits ^ (bits >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK;
    bits ^= bits >> 31n;
    return Number(bits >> 11n) / 2 ** 53;
  };
}
