import { DemandMeter } from '../../../../services/gateway/demand/demand-meter.js';
import { NO_STEPS, type Totals } from '../../../../services/lib/wire/step-totals.js';

interface Stage {
  /** What an output token takes it, engine seconds. */
  secondsPerToken: number;
  replicas: number;
}

interface World {
  /** Tokens that an answer has. */
  readonly answer?: number;
  /** How many gateways there are, each of which gets an equal part of the load. */
  readonly gateways?: number;
  readonly kvCapacity?: number;
  /** Tokens of what runs, for KV room. */
  readonly kvTokens?: number;
}

/** Of steps that all had so many sequences, so that a token costs what it costs. */
const BATCH = 4;

/**
 * Stages of given speed that serve what comes as far as the slowest can, and the demand meter of one gateway before them.
 * Time passes by `run`.
 */
export class LoadedStages {
  readonly stages: Stage[];
  readonly meter: DemandMeter;
  readonly #world: Required<World>;
  /** By stage and replica: what it has computed. */
  readonly #done: { parts: number; busy: number }[][];
  #backlog = 0;
  #now = 1_000;

  constructor(costs: readonly number[], world: World = {}) {
    this.#world = { answer: 40, gateways: 1, kvCapacity: 100_000, kvTokens: 0, ...world };
    this.stages = costs.map((secondsPerToken) => ({ secondsPerToken, replicas: 1 }));
    this.#done = costs.map(() => []);
    this.meter = new DemandMeter({
      stages: costs.map((_, index) => `stage-${index}`),
      now: () => this.#now,
      totals: () =>
        this.stages.flatMap(({ replicas }, index) =>
          Array.from({ length: replicas }, (_, number) => this.#totals(index, number)),
        ),
      occupation: () => ({
        stages: this.stages.map(({ replicas }) => ({
          replicas,
          kvUsed: 0,
          kvCapacity: replicas * this.#world.kvCapacity,
          sequences: this.#running * this.#world.gateways,
        })),
        running: this.#running,
        waiting: 0,
        kvTokens: this.#world.kvTokens,
      }),
    });
  }

  /** Requests at `rate` a second in all, for so long; what is demanded of each stage after each half second. */
  run(seconds: number, rate: number): Map<string, number>[] {
    const { answer, gateways } = this.#world;
    const told: Map<string, number>[] = [];
    const per = rate / gateways / 2;
    let due = 0;
    for (let half = 0; half < seconds * 2; half++) {
      due += per;
      const asked = Array.from({ length: Math.floor(due) }, () => ({ prompt: [1, 2, 3], maxTokens: answer }));
      due -= asked.length;
      this.meter.asked(asked)();
      this.meter.began(asked);
      this.#backlog += asked.length * answer;
      const most = Math.min(...this.stages.map((stage) => stage.replicas / stage.secondsPerToken / 2));
      const served = Math.min(this.#backlog, most / gateways);
      this.#backlog -= served;
      this.meter.generated(served);
      this.meter.ended(
        asked,
        asked.map(() => ({ tokens: answer })),
      );
      this.#compute(served * gateways);
      this.#now += 0.5;
      this.meter.look();
      told.push(this.meter.demanded());
    }
    return told;
  }

  /** All replicas of a stage alike. */
  #compute(tokens: number): void {
    for (const [index, { secondsPerToken, replicas }] of this.stages.entries()) {
      for (let number = 0; number < replicas; number++) {
        const done = (this.#done[index]![number] ??= { parts: 0, busy: 0 });
        done.parts += tokens / replicas;
        done.busy += (tokens / replicas) * secondsPerToken;
      }
    }
  }

  get #running(): number {
    return Math.ceil(this.#backlog / this.#world.answer);
  }

  #totals(stage: number, number: number) {
    const { parts, busy: busySeconds } = this.#done[stage]![number] ?? { parts: 0, busy: 0 };
    const decode: Totals = {
      ...NO_STEPS,
      steps: parts / BATCH,
      parts,
      busySeconds,
      partsSquared: parts * BATCH,
      partsBySeconds: busySeconds * BATCH,
      uptimeSeconds: this.#now,
    };
    return {
      appId: `stage-${stage}`,
      replica: `${stage}-${number}`,
      processors: { owner: '', count: 1 },
      hops: { fromGateway: 0, toNext: 0 },
      prefill: { ...NO_STEPS, uptimeSeconds: this.#now },
      decode,
    };
  }
}
