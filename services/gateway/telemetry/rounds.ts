export type Phase = 'prefill' | 'decode';

/** One replica on a sequence's route. */
export interface Hop {
  readonly appId: string;
  readonly replica: string;
}

/** A question to the mesh and its answer. Seconds. */
export interface Round {
  readonly phase: Phase;
  readonly route: readonly Hop[];
  readonly roundTrip: number;
  /** What had passed before it, of a request's first one. */
  readonly before: number;
  /** What each stage of the route took of it; the rest was on the way. */
  readonly path: readonly StageTook[];
  readonly tokens: number;
}

/** What a stage took of a round. Seconds. */
export interface StageTook extends Pick<Work, 'queue' | 'compute'> {
  /** Of a prompt: its chunks before the last. */
  readonly chunks?: readonly ChunkTook[];
}

/** A chunk of a prompt, whose end was so long before that of the last. Seconds. */
export interface ChunkTook {
  readonly rows: number;
  readonly compute: number;
  readonly ago: number;
}

/** What rounds waited and were computed in a stage, by its replicas' own clocks. Seconds. */
export interface Work {
  readonly queue: number;
  readonly compute: number;
  /** Rounds that passed there. */
  readonly rounds: number;
}

/** Rounds of one phase, summed. Seconds. */
export class RoundSums {
  rounds = 0;
  tokens = 0;
  roundTrip = 0;
  /** In the gateway before the first round: tokenizing, admission, the route. */
  before = 0;
  readonly #stages = new Map<string, Work>();

  /** By app-id. */
  get stages(): ReadonlyMap<string, Work> {
    return this.#stages;
  }

  add({ tokens, roundTrip, before, route, path }: Round): void {
    this.#addTimes({ rounds: 1, tokens, roundTrip, before });
    for (const [stage, times] of path.entries()) {
      const hop = route[stage];
      if (hop !== undefined) this.#addWork(hop.appId, { ...times, rounds: 1 });
    }
  }

  merge(other: RoundSums): void {
    this.#addTimes(other);
    for (const [appId, work] of other.stages) this.#addWork(appId, work);
  }

  #addTimes({
    rounds,
    tokens,
    roundTrip,
    before,
  }: Pick<RoundSums, 'rounds' | 'tokens' | 'roundTrip' | 'before'>): void {
    this.rounds += rounds;
    this.tokens += tokens;
    this.roundTrip += roundTrip;
    this.before += before;
  }

  #addWork(appId: string, { queue, compute, rounds }: Work): void {
    const sum = this.#stages.get(appId) ?? { queue: 0, compute: 0, rounds: 0 };
    this.#stages.set(appId, {
      queue: sum.queue + queue,
      compute: sum.compute + compute,
      rounds: sum.rounds + rounds,
    });
  }
}
