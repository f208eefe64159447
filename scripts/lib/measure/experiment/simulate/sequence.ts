import { demandOf } from '../../../../../services/gateway/routing/occupancy.js';
import type { Movable } from '../../../../../services/gateway/routing/rebalance.js';
import type { Arrival, RequestRecord } from '../../types.js';
import type { Clock } from './clock.js';
import type { Leg, Replica } from './replica.js';

/** A request from its arrival to its last token, as the router and the policy of moves see it. */
export class Sequence implements Movable<Replica> {
  /** Counts them in the order in which they came. */
  readonly order: number;
  /** Null while it waits for a route. */
  leg: Leg | null = null;
  waitingSince = 0;
  hasBegun = false;
  /** It is to leave its route with its next token, and go through this replica no more. */
  avoid: Replica | null = null;
  readonly #arrival: Arrival;
  readonly #clock: Clock;
  readonly #tokens: number[] = [];
  #begun = 0;

  constructor(arrival: Arrival, order: number, clock: Clock) {
    this.#arrival = arrival;
    this.#clock = clock;
    this.order = order;
  }

  get asked() {
    const { promptTokens, outputTokens } = this.#arrival;
    return { prompt: { length: promptTokens }, maxTokens: outputTokens };
  }

  get route(): readonly Replica[] {
    return this.leg?.route ?? [];
  }

  get length(): number {
    return this.#arrival.promptTokens + this.#tokens.length;
  }

  get maxLength(): number {
    return this.#arrival.promptTokens + this.#arrival.outputTokens;
  }

  get demand(): number {
    return demandOf(this.length, this.maxLength);
  }

  get settledMs(): number {
    return this.leg === null ? 0 : (this.#clock.now - this.#begun) * 1e3;
  }

  begin(leg: Leg): void {
    this.leg = leg;
    this.avoid = null;
    this.#begun = this.#clock.now;
  }

  /** Its next token has come. */
  receive(): void {
    this.#tokens.push(this.#clock.now * 1e3);
  }

  recordOf(error: string | null): RequestRecord {
    const { at, kind, promptTokens, outputTokens } = this.#arrival;
    return { kind, promptTokens, outputTokens, sent: at * 1e3, tokens: this.#tokens, error };
  }
}
