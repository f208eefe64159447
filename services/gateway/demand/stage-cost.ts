import { NO_STEPS, type Totals } from '../../lib/wire/step-totals.js';
import { fitStepCost } from '../report/step-cost.js';
import { difference, sumOf, type ReplicaTotals } from '../report/totals-log.js';
import type { Work } from './arrivals.js';
import type { Status } from '../../lib/wire/gen/stage_pb.js';

/** How full a stage is, all its replicas together: KV room in tokens, and the sequences of all gateways. */
export interface StageFill {
  readonly replicas: number;
  readonly kvUsed: number;
  readonly kvCapacity: number;
  readonly sequences: number;
}

type Filled = Pick<Status, 'kvUsed' | 'kvCapacity' | 'sequences'>;

/** By what its replicas last told. */
export const fillOf = (replicas: readonly Filled[]): StageFill => ({
  replicas: replicas.length,
  kvUsed: sum(replicas.map(({ kvUsed }) => kvUsed)),
  kvCapacity: sum(replicas.map(({ kvCapacity }) => kvCapacity)),
  sequences: sum(replicas.map(({ sequences }) => sequences)),
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** What is kept of a sum when a further second of work is added: it remembers some ten seconds of work. */
const KEPT = 0.9;
/** Batches are believed to grow to so many times what was seen. */
const REACH = 4;

/** What a token costs a stage, engine seconds. */
export interface TokenCosts {
  readonly prompt: number;
  readonly output: number;
}

/**
 * Learns what tokens cost one stage from what its replicas say they have computed, and what this gateway was served
 * meanwhile. It remembers through idle times, and through replicas that come and go.
 */
export class StageCost {
  #last: readonly ReplicaTotals[] = [];
  #prefill = { seconds: 0, tokens: 0 };
  #decode = { seconds: 0, tokens: 0, steps: 0, parts: 0 };
  #ever: Totals = NO_STEPS;
  #sequences = { own: 0, all: 0 };

  /**
   * `served`: prompts that began and tokens that came since the last call, about a second ago; `own`: sequences of
   * this gateway in the stage.
   */
  learn(replicas: readonly ReplicaTotals[], served: Work, fill: StageFill, own: number): void {
    const spent = replicas.flatMap((replica) => this.#since(replica) ?? []);
    this.#last = replicas;
    const decode = sumOf(spent.map((each) => each.decode));
    const prefillSeconds = sum(spent.map((each) => each.prefill.busySeconds));
    if (replicas.length > 0) this.#ever = sumOf(replicas.map((replica) => replica.decode));
    // What a replica told may be seconds old, which evens out in the sums only.
    if (own + fill.sequences > 0) {
      this.#sequences = faded(this.#sequences, { own, all: fill.sequences }, KEPT);
    }
    const { prompt, output } = served;
    this.#prefill = faded(this.#prefill, { seconds: prefillSeconds, tokens: prompt }, prompt > 0 ? KEPT : 1);
    const { steps, parts, busySeconds: seconds } = decode;
    this.#decode = faded(this.#decode, { seconds, tokens: output, steps, parts }, output > 0 ? KEPT : 1);
  }

  /**
   * Null before the stage has told of a step of which this gateway had tokens. With several gateways, each has the share of the
   * stage's time that it has of its sequences.
   */
  costs(fill: StageFill): TokenCosts | null {
    const { own, all } = this.#sequences;
    const share = all > own ? own / all : 1;
    const per = ({ seconds, tokens }: { seconds: number; tokens: number }): number =>
      tokens > 0 ? (seconds * share) / tokens : 0;
    const output = per(this.#decode) * this.#economy(fill);
    const prompt = per(this.#prefill);
    return prompt + output > 0 ? { prompt, output } : null;
  }

  /**
   * What a token costs in a batch as large as a stage under load would have, over what it costs now. A step of `n`
   * sequences takes `a + d n`, so its cost a token falls to twice its least at `n = a / d` (R. Hockney's half-performance
   * length) and hardly beyond; batches get as large as that, or as full KV room makes them.
   */
  #economy({ kvUsed, kvCapacity }: StageFill): number {
    const { steps, parts } = this.#decode;
    if (steps < 1 || this.#ever.steps === 0) return 1;
    const { fixed, perPart, guessed } = fitStepCost(this.#ever, this.#ever);
    if (guessed) return 1;
    const now = Math.max(1, parts / steps);
    const full = kvUsed > 0 ? (now * kvCapacity) / kvUsed : Infinity;
    const half = perPart > 0 ? fixed / perPart : Infinity;
    const batch = Math.max(now, Math.min(half, full, REACH * now));
    return (fixed / batch + perPart) / (fixed / now + perPart);
  }

  /** What a replica has done since it was last seen; null where it was not, or has started again. */
  #since(now: ReplicaTotals): { prefill: Totals; decode: Totals } | null {
    const then = this.#last.find(({ replica }) => replica === now.replica);
    if (then === undefined || then.decode.uptimeSeconds > now.decode.uptimeSeconds) return null;
    return { prefill: difference(now.prefill, then.prefill), decode: difference(now.decode, then.decode) };
  }
}

/** Both have the same fields. */
function faded<Sums extends Record<string, number>>(old: Sums, more: Sums, kept: number): Sums {
  return Object.fromEntries(
    Object.entries(old).map(([field, value]) => [field, value * kept + more[field]!]),
  ) as Sums;
}
