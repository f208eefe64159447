import { ROWS_PER_STEP } from '../../lib/model/step.js';
import { LONGEST_MATCH } from './draft-index.js';

/** Of the newest outcome in the measured rate: it forgets half of what was in three tokens. */
const WEIGHT = 0.2;

/** Where drafting does not pay, every nth look-up without a draft drafts one token nevertheless, to see if it would now. */
const PROBE_INTERVAL = 32;

/**
 * How often drafted tokens of one source were right, for each length of match, and so how many to draft. The
 * longer a match, the likelier what follows; how likely depends on the text, and changes within it.
 */
export class Acceptance {
  readonly #rates = Array.from({ length: LONGEST_MATCH + 1 }, (_, length) => 1 - 1 / length);
  readonly #idle = new Array<number>(LONGEST_MATCH + 1).fill(0);

  /**
   * Tokens to draft while `running` sequences share the steps. A token is accepted if all before it are, so the
   * k-th with probability rate^k. It costs a row, where a plain token costs a row and its part of the
   * step: 1 + ROWS_PER_STEP / running rows. So it pays while rate^k is more than the ratio of the two; many
   * sequences fill a step by themselves, and only near certainties are drafted. `lookedUp` has to be told what came of it.
   */
  draftLength(match: number, running: number): number {
    const cost = running / (running + ROWS_PER_STEP);
    const length = Math.floor(Math.log(cost) / Math.log(this.#rates[match]!));
    return length <= 0 && this.#idle[match]! >= PROBE_INTERVAL - 1 ? 1 : length;
  }

  /** So many tokens are tried after a match of this length. One that another source was preferred to is no look-up. */
  lookedUp(match: number, drafted: number): void {
    this.#idle[match] = drafted > 0 ? 0 : this.#idle[match]! + 1;
  }

  /** Of `drafted` tokens the first `accepted` were right; what follows the first wrong one tells nothing. */
  observe(match: number, drafted: number, accepted: number): void {
    for (let token = 0; token < drafted && token <= accepted; token++) {
      this.#rates[match]! += WEIGHT * ((token < accepted ? 1 : 0) - this.#rates[match]!);
    }
  }
}
