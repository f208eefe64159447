import { ServingError } from '../../../../../services/lib/errors/serving-error.js';
import { chunkRows } from '../../../../../services/gateway/generation/leg.js';
import { DemandMeter, type Occupation } from '../../../../../services/gateway/demand/demand-meter.js';
import { fillOf } from '../../../../../services/gateway/demand/stage-cost.js';
import { planRebalance } from '../../../../../services/gateway/routing/rebalance.js';
import { RouteChooser } from '../../../../../services/gateway/routing/route-chooser.js';
import { onSomeRoute } from '../../../../../services/gateway/routing/router.js';
import { EXPERIMENT_SETTINGS } from '../settings.js';
import type { Arrival, RequestRecord } from '../../types.js';
import type { Clock } from './clock.js';
import type { Hop } from './hop.js';
import type { Leg, Part, Replica } from './replica.js';
import { Sequence } from './sequence.js';

interface GatewayOptions {
  readonly clock: Clock;
  readonly hop: Hop;
  /** App-ids, stage 0 first. */
  readonly appIds: readonly string[];
  /** The ready replicas of each stage, as of the call. */
  readonly stages: () => readonly (readonly Replica[])[];
  /** Rows that a frame between two stages can have. */
  readonly frameRows: number;
}

/**
 * The gateway with its clients, as `MeshBackend` is one (services/gateway/generation): gives sequences a route by the real
 * router, in the order in which they came and where there is KV room, sends their rows, and takes their tokens. Without
 * admission, whose bounds no load of the experiment gets near, and without what takes the gateway itself time.
 */
export class Gateway {
  readonly meter: DemandMeter;
  readonly #options: GatewayOptions;
  readonly #routes: RouteChooser<Replica>;
  /** In the order in which they came; those that are over are not in it. */
  readonly #sequences = new Set<Sequence>();
  readonly #waiting: Sequence[] = [];
  readonly #byLeg = new Map<Leg, Sequence>();
  readonly #records: RequestRecord[] = [];
  #order = 0;

  constructor(options: GatewayOptions) {
    const { clock, appIds, stages } = options;
    this.#options = options;
    this.#routes = new RouteChooser(stages, () => this.#sequences);
    this.meter = new DemandMeter({
      stages: appIds,
      totals: () => stages().flat().map(totalsOf),
      occupation: () => this.#occupation(),
      now: () => clock.now,
    });
  }

  /** Of what is over. */
  get records(): readonly RequestRecord[] {
    return this.#records;
  }

  arrive(arrival: Arrival): void {
    const sequence = new Sequence(arrival, this.#order++, this.#options.clock);
    this.#sequences.add(sequence);
    this.meter.asked([sequence.asked])();
    this.#enqueue(sequence);
    this.#admit();
  }

  /** The head has sampled their next tokens. What comes of a leg that was closed is dropped. */
  received(legs: readonly Leg[]): void {
    const again = new Map<Replica, Part[]>();
    const left = legs
      .flatMap((leg) => this.#byLeg.get(leg) ?? [])
      .filter((sequence) => this.#take(sequence, again));
    for (const [first, parts] of again) this.#send(first, parts);
    if (left.length > 0) this.#admit();
  }

  /** A leg cannot go on: its sequence looks for another route, on which all that it has is computed again. */
  broke(leg: Leg): void {
    const sequence = this.#byLeg.get(leg);
    if (sequence === undefined) return;
    this.#leave(sequence, 0);
    this.#enqueue(sequence);
  }

  /** A replica is lost. */
  lost(replica: Replica): void {
    for (const leg of [...this.#byLeg.keys()]) if (leg.route.includes(replica)) this.broke(leg);
    this.#admit();
  }

  /** Moves sequences to where they are better off, and lets in those for which there is room by now: once a second. */
  tend(): void {
    const stages = this.#options.stages();
    if (stages.some(({ length }) => length > 1)) {
      const running = [...this.#sequences];
      const draining = running.filter(({ route }) => route.some((replica) => replica.draining));
      for (const sequence of draining) {
        if (this.#routes.canLeaveDraining(sequence))
          sequence.avoid = sequence.route.find(({ draining: is }) => is)!;
      }
      for (const { sequence, from } of planRebalance(onSomeRoute(stages), running)) sequence.avoid ??= from;
    }
    this.#admit();
    this.#giveUp();
  }

  /** Ends what is not over yet. */
  close(): void {
    for (const sequence of [...this.#sequences]) this.#end(sequence, 'it was not answered in time');
  }

  /** Whether its leg is over. The next rows of the others are added to what is to be sent. */
  #take(sequence: Sequence, again: Map<Replica, Part[]>): boolean {
    const leg = sequence.leg!;
    sequence.receive();
    this.meter.generated(1);
    if (sequence.length === sequence.maxLength) {
      this.#end(sequence, null);
      return true;
    }
    if (sequence.avoid !== null) {
      this.#leave(sequence, this.#baseSeconds);
      this.#enqueue(sequence);
      return true;
    }
    const [first] = leg.route;
    const item = { position: sequence.length - 1, count: 1, logits: 1 };
    const parts = again.get(first!);
    if (parts === undefined) again.set(first!, [{ sequence: leg, item, from: null }]);
    else parts.push({ sequence: leg, item, from: null });
    return false;
  }

  #send(first: Replica, parts: readonly Part[]): void {
    this.#options.clock.after(this.#baseSeconds, () => first.receive(parts));
  }

  get #baseSeconds(): number {
    return this.#options.hop.baseMs / 1e3;
  }

  #enqueue(sequence: Sequence): void {
    sequence.waitingSince = this.#options.clock.now;
    const after = this.#waiting.findIndex(({ order }) => order > sequence.order);
    this.#waiting.splice(after === -1 ? this.#waiting.length : after, 0, sequence);
  }

  /** Nobody is overtaken by one that needs less. */
  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      try {
        const { length, demand, avoid } = first;
        const shunned = new Set(avoid === null ? [] : [avoid]);
        const route = this.#routes.choose({ length, demand, prefix: [], avoid: shunned });
        if (route === null) return;
        this.#waiting.shift();
        this.#open(first, route);
      } catch (error) {
        const { code, message } = ServingError.from(error);
        if (code === 'stage_unavailable') return; // One will come.
        if (code !== 'kv_exhausted') throw error;
        this.#end(first, message);
      }
    }
  }

  /** Every stage agrees, one after the other, and the head says so; then the prompt leaves. */
  #open(sequence: Sequence, route: readonly Replica[]): void {
    const lane = route
      .slice(1)
      .map(({ replica }) => replica)
      .join();
    const leg: Leg = { route, lane, isOpen: true };
    sequence.begin(leg);
    this.#byLeg.set(leg, sequence);
    for (const replica of route) replica.open(leg);
    this.#options.clock.after((route.length + 1) * this.#baseSeconds, () => {
      if (!leg.isOpen) return;
      if (!sequence.hasBegun) this.meter.began([sequence.asked]);
      sequence.hasBegun = true;
      this.#send(route[0]!, this.#prompt(leg, sequence.length));
    });
  }

  /** All that the sequence has, in chunks that leave at once. */
  #prompt(leg: Leg, length: number): Part[] {
    const frameRows = leg.route.length === 1 ? Infinity : this.#options.frameRows;
    const limits = { most: Math.min(prefillChunk, frameRows), alone: prefillChunkAlone };
    const rows = chunkRows(limits, {
      rows: length,
      running: this.#sequences.size,
      stages: leg.route.length,
    });
    return Array.from({ length: Math.ceil(length / rows) }, (_, index) => {
      const position = index * rows;
      const count = Math.min(rows, length - position);
      return {
        sequence: leg,
        item: { position, count, logits: position + count === length ? 1 : 0 },
        from: null,
      };
    });
  }

  /** Its replicas hear of it after so many seconds. */
  #leave(sequence: Sequence, after: number): void {
    const { leg } = sequence;
    if (leg === null) return;
    leg.isOpen = false;
    this.#byLeg.delete(leg);
    sequence.leg = null;
    const close = (): void => leg.route.forEach((replica) => replica.close(leg));
    if (after === 0) {
      close();
      return;
    }
    this.#routes.left(leg.route, sequence.length);
    this.#options.clock.after(after, close);
  }

  #end(sequence: Sequence, error: string | null): void {
    this.#leave(sequence, this.#baseSeconds);
    this.#sequences.delete(sequence);
    const place = this.#waiting.indexOf(sequence);
    if (place !== -1) this.#waiting.splice(place, 1);
    this.#records.push(sequence.recordOf(error));
    if (error === null) this.meter.ended([sequence.asked], [{ tokens: sequence.asked.maxTokens }]);
  }

  /** Those that have looked for a route for too long, where there is none. */
  #giveUp(): void {
    const { clock, stages } = this.#options;
    if (stages().every((replicas) => replicas.length > 0)) return;
    const since = clock.now - EXPERIMENT_SETTINGS.reroutePatience;
    for (const sequence of this.#waiting.filter(({ waitingSince }) => waitingSince <= since)) {
      this.#end(sequence, 'stage_unavailable');
    }
  }

  #occupation(): Occupation {
    const sequences = [...this.#sequences];
    return {
      stages: this.#options.stages().map((replicas) =>
        fillOf(
          replicas.map(({ sequences: held, status: { kvUsed, kvCapacity } }) => ({
            sequences: held,
            kvUsed,
            kvCapacity,
          })),
        ),
      ),
      running: sequences.length - this.#waiting.length,
      waiting: this.#waiting.length,
      kvTokens: sequences.reduce((sum, { demand }) => sum + demand, 0),
    };
  }
}

const totalsOf = ({ appId, replica, totals }: Replica) => ({
  appId,
  replica,
  processors: { owner: replica, count: 1 },
  hops: { fromGateway: 0, toNext: 0 },
  prefill: { ...totals.prefill },
  decode: { ...totals.decode },
});

const { prefillChunk, prefillChunkAlone } = EXPERIMENT_SETTINGS;
