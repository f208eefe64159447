import type { ReplicaTotals } from '../report/totals-log.js';
import { Arrivals, NO_WORK, plus, times, type Work } from './arrivals.js';
import { demandedReplicas, levelOf, settle, type Peak } from './demanded-replicas.js';
import { StageCost, type StageFill } from './stage-cost.js';

/** What this gateway has to do, at the moment of the call. */
export interface Occupation {
  /** Stage 0 first. */
  readonly stages: readonly StageFill[];
  /** Sequences that have a route, and that have none yet. */
  readonly running: number;
  readonly waiting: number;
  /** That these sequences have or are likely to get. */
  readonly kvTokens: number;
}

interface DemandMeterOptions {
  /** App-ids, stage 0 first. */
  readonly stages: readonly string[];
  readonly totals: () => readonly ReplicaTotals[];
  readonly occupation: () => Occupation;
  /** A monotonic clock, seconds. */
  readonly now?: () => number;
}

type Asked = readonly { readonly prompt: { readonly length: number }; readonly maxTokens: number }[];

/** Of a typical answer, before any is known. */
const TYPICAL_ANSWER = 256;
/** How much a further answer, or request, moves what is expected of the next. */
const SMOOTHING = 0.1;
const LEARN_SECONDS = 1;

/** How many replicas of each stage are demanded by what comes to this gateway; looks whenever it is told to. */
export class DemandMeter {
  readonly #options: DemandMeterOptions;
  readonly #now: () => number;
  readonly #arrivals = new Arrivals();
  readonly #served = new Arrivals();
  readonly #stages: ReadonlyMap<string, { readonly cost: StageCost; peak: Peak | null }>;
  /** Share of the tokens that it may have that an answer takes; null before there was one. */
  #answered: number | null = null;
  /** A request, as they are of late. */
  #typical: Work = NO_WORK;
  #unlearned: Work = NO_WORK;
  #queued = 0;
  #learnedAt: number;

  constructor(options: DemandMeterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now() / 1000);
    this.#learnedAt = this.#now();
    this.#stages = new Map(options.stages.map((stage) => [stage, { cost: new StageCost(), peak: null }]));
  }

  /** Choices have come. They are queued until the function that it returns is called: they are let in, or have given up. */
  asked(choices: Asked): () => void {
    for (const { prompt, maxTokens } of choices) {
      const share = this.#answered ?? Math.min(1, TYPICAL_ANSWER / maxTokens);
      const work = { requests: 1, prompt: prompt.length, output: maxTokens * share };
      this.#arrivals.add(work, this.#now());
      const isFirst = this.#typical.requests === 0;
      this.#typical = isFirst ? work : plus(times(this.#typical, 1 - SMOOTHING), times(work, SMOOTHING));
    }
    this.#queued += choices.length;
    return () => (this.#queued -= choices.length);
  }

  /** Choices that wait for admission. */
  get queued(): number {
    return this.#queued;
  }

  /** They have their routes. */
  began(choices: Asked): void {
    for (const { prompt } of choices) this.#serve({ requests: 1, prompt: prompt.length, output: 0 });
  }

  /** Tokens of any of them have come. */
  generated(tokens: number): void {
    this.#serve({ requests: 0, prompt: 0, output: tokens });
  }

  /** They were answered with so many tokens each. */
  ended(choices: Asked, answers: readonly { readonly tokens: number }[]): void {
    for (const [index, { maxTokens }] of choices.entries()) {
      const share = Math.min(1, (answers[index]?.tokens ?? 0) / Math.max(1, maxTokens));
      this.#answered =
        this.#answered === null ? share : this.#answered + SMOOTHING * (share - this.#answered);
    }
  }

  /** Looks at what is to be done now. */
  look(): void {
    const now = this.#now();
    const { stages, running, waiting, kvTokens } = this.#options.occupation();
    if (now - this.#learnedAt >= LEARN_SECONDS) this.#learn(stages, running, now);
    const queued = times(this.#typical, this.#queued);
    const demand = {
      arriving: this.#arriving(now),
      waiting: plus(queued, times(this.#typical, waiting)),
      kvTokens: kvTokens + queued.prompt + queued.output,
    };
    const capacities = [...this.#stages.values()].map(({ cost }, index) => {
      const { replicas, kvCapacity } = stages[index]!;
      const costs = cost.costs(stages[index]!);
      return costs && { costs, replicas, kvTokens: replicas > 0 ? kvCapacity / replicas : 0 };
    });
    const demanded = demandedReplicas(demand, capacities);
    const held = running + waiting + queued.requests > 0;
    for (const [index, stage] of [...this.#stages.values()].entries()) {
      // A stage at zero computes nothing that could be learned from; who waits for it wants one.
      const atZero = stages[index]!.replicas === 0;
      const known = demanded[index] ?? null;
      const wanted = atZero ? Math.max(known ?? 0, Number(held)) : known;
      stage.peak = wanted === null ? null : settle(stage.peak ?? { replicas: 0, at: now }, wanted, now);
    }
  }

  /** This gateway's share of each stage, whole or not; without those of whose needs nothing is known yet. */
  demanded(): Map<string, number> {
    const now = this.#now();
    const known = [...this.#stages].flatMap(([stage, { peak }]) => (peak === null ? [] : [{ stage, peak }]));
    return new Map(known.map(({ stage, peak }) => [stage, levelOf(peak, now)]));
  }

  /** Whether there is such a stage. */
  has(stage: string): boolean {
    return this.#stages.has(stage);
  }

  /** Whether anything runs or waits, so that every stage is needed. */
  get active(): boolean {
    const { running, waiting } = this.#options.occupation();
    return running + waiting + this.#queued > 0;
  }

  #serve(work: Work): void {
    this.#served.add(work, this.#now());
    this.#unlearned = plus(this.#unlearned, work);
  }

  #learn(fills: readonly StageFill[], own: number, now: number): void {
    const totals = this.#options.totals();
    for (const [index, [appId, { cost }]] of [...this.#stages].entries()) {
      const replicas = totals.filter((replica) => replica.appId === appId);
      cost.learn(replicas, this.#unlearned, fills[index]!, own);
    }
    this.#unlearned = NO_WORK;
    this.#learnedAt = now;
  }

  /** Long answers are still being given when nobody asks any more. */
  #arriving(now: number): Work {
    const arriving = this.#arrivals.rate(now);
    const { output } = this.#served.mean(now);
    return { ...arriving, output: Math.max(arriving.output, output) };
  }
}
