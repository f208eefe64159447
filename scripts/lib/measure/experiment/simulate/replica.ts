import { create } from '@bufbuild/protobuf';
import { StatusSchema, type Status } from '../../../../../services/lib/wire/gen/stage_pb.js';
import { NO_STEPS, type Totals } from '../../../../../services/lib/wire/step-totals.js';
import { GroupedScheduler } from '../../../../../services/stage/scheduling/grouped-scheduler.js';
import type { Compute } from '../../../../../services/stage/scheduling/parallel-steps.js';
import { PlainScheduler, type Scheduler } from '../../../../../services/stage/scheduling/scheduler.js';
import { movingAverage, SLOW } from '../../../../../services/stage/scheduling/step-costs.js';
import { phaseOf, type Work } from '../../../../../services/stage/scheduling/work-queue.js';
import { EXPERIMENT_SETTINGS } from '../settings.js';
import type { Clock } from './clock.js';
import type { Hop } from './hop.js';
import { Link } from './link.js';
import type { StageModel } from './stage-model.js';

/** A sequence on one route. */
export interface Leg {
  /** One replica of each stage, stage 0 first. */
  readonly route: readonly Replica[];
  /** Its replicas after stage 0. */
  readonly lane: string;
  isOpen: boolean;
}

/** Rows of a leg that wait for a device, and the link that they came over; null where that was the gateway's. */
export interface Part extends Work {
  readonly sequence: Leg;
  readonly from: Link | null;
}

interface ReplicaOptions {
  readonly name: string;
  readonly appId: string;
  /** Of its stage; 0 is where batches are formed. */
  readonly index: number;
  readonly isHead: boolean;
  readonly model: StageModel;
  /** Of a row of activations. */
  readonly rowBytes: number;
  readonly clock: Clock;
  readonly hop: Hop;
  /** Groups of what begins at a replica of stage 0 that may be out at once. */
  groupsAtOnce(first: Replica): number;
  /** The head has sampled the next token of these. */
  readonly onTokens: (legs: readonly Leg[]) => void;
  /** There is no room for a leg's rows, and it came last. */
  readonly onGiveWay: (leg: Leg) => void;
}

const { maxBatchRows: maxRows, maxBatchSequences: maxSequences, prefillShare } = EXPERIMENT_SETTINGS;

/**
 * A replica of a stage, as `Stage` is one (services/stage/stage.ts): whenever its device is free it schedules a step of what waits,
 * by the real schedulers, takes the time that the cost model says, and passes the results on. What surrounds a step takes no time.
 */
export class Replica {
  readonly appId: string;
  readonly replica: string;
  draining = false;
  /** What the router looks at. */
  readonly status: Status;
  readonly totals = { prefill: { ...NO_STEPS }, decode: { ...NO_STEPS } };
  readonly model: StageModel;
  readonly #options: ReplicaOptions;
  readonly #scheduler: Scheduler<Part>;
  readonly #links = new Map<Replica, Link>();
  /** Tokens that are cached of each leg, in the order of opening. */
  readonly #cached = new Map<Leg, number>();
  #running = false;
  #meanStep: number | null = null;
  #alarm = 0;
  #isGone = false;

  constructor(options: ReplicaOptions) {
    const { name, appId, index, model } = options;
    this.#options = options;
    this.appId = appId;
    this.replica = name;
    this.model = model;
    this.status = create(StatusSchema, { kvCapacity: model.kvTokens });
    const limits = { maxRows, maxSequences };
    this.#scheduler =
      index > 0
        ? new PlainScheduler(limits, dividePart)
        : new GroupedScheduler({
            limits,
            groupsAtOnce: () => options.groupsAtOnce(this),
            gainsAlone: () => false,
            promptShare: prefillShare / 100,
            laneOf: ({ sequence }) => sequence.lane,
            divide: dividePart,
          });
  }

  /** Sequences that it holds. */
  get sequences(): number {
    return this.#cached.size;
  }

  /** As it would tell the replicas before it. */
  get compute(): Compute {
    const { appId, replica } = this;
    const { isHead, hop } = this.#options;
    return {
      replica: `${appId}/${replica}`,
      owner: replica,
      processors: 1,
      threads: 1,
      meanStepSeconds: this.#meanStep ?? 0,
      hopSeconds: isHead ? 0 : hop.baseMs / 1e3,
    };
  }

  open(leg: Leg): void {
    this.#cached.set(leg, 0);
  }

  close(leg: Leg): void {
    const cached = this.#cached.get(leg);
    if (cached === undefined) return;
    this.status.kvUsed -= cached;
    this.#cached.delete(leg);
    for (const part of this.#scheduler.remove(leg)) this.#release(part);
    this.wake();
  }

  /** Everything that it had is lost. */
  kill(): void {
    this.#isGone = true;
  }

  receive(parts: readonly Part[]): void {
    if (this.#isGone) return;
    for (const part of parts) {
      if (this.#cached.has(part.sequence)) this.#scheduler.enqueue(part, this.#options.clock.now);
      else this.#release(part);
    }
    this.wake();
  }

  /** All that arrives at one moment shares the step. */
  wake(): void {
    if (this.#running || this.#isGone) return;
    this.#running = true;
    this.#options.clock.after(0, () => this.#run());
  }

  #run(): void {
    if (this.#isGone) return;
    const { clock } = this.#options;
    const parts = this.#schedule();
    if (parts.length > 0) {
      const seconds = this.model.stepSeconds({
        items: parts.map(({ item }) => ({ rows: item.count, cached: item.position })),
        logits: parts.reduce((sum, { item }) => sum + item.logits, 0),
      });
      clock.after(seconds, () => this.#ended(parts, seconds));
      return;
    }
    this.#running = false;
    const alarm = ++this.#alarm;
    const { deadline } = this.#scheduler;
    if (deadline !== null) clock.at(deadline, () => alarm === this.#alarm && this.wake());
  }

  /** The parts of the next step, for all of which there is room. */
  #schedule(): Part[] {
    for (;;) {
      let parts = this.#scheduler.next(
        ({ sequence }) => !this.#linkOf(sequence)?.congested,
        this.#options.clock.now,
      );
      if (parts.length === 0) return parts;
      for (const part of parts) this.#release(part);
      while (this.status.kvUsed + rowsOf(parts) > this.model.kvTokens) parts = this.#giveWay(parts);
      if (parts.length > 0) return parts;
    }
  }

  /** The leg that came last leaves. */
  #giveWay(parts: readonly Part[]): Part[] {
    const taking = new Set(parts.map(({ sequence }) => sequence));
    const holders = [...this.#cached].filter(([leg, cached]) => cached > 0 || taking.has(leg));
    const [last] = holders.at(-1)!;
    this.close(last);
    this.#options.onGiveWay(last);
    return parts.filter(({ sequence }) => sequence !== last);
  }

  #ended(parts: readonly Part[], seconds: number): void {
    if (this.#isGone) return;
    for (const { sequence, item } of parts) {
      const before = this.#cached.get(sequence);
      if (before === undefined) continue;
      this.#cached.set(sequence, item.position + item.count);
      this.status.kvUsed += item.position + item.count - before;
    }
    this.#count(parts, seconds);
    this.#deliver(parts);
    this.#scheduler.ran(
      parts,
      seconds,
      ({ sequence }) => this.#cached.has(sequence),
      this.#options.clock.now,
    );
    this.#run();
  }

  /** To the next stage, one frame for each replica of it; from the head to the gateway. */
  #deliver(parts: readonly Part[]): void {
    const { index, rowBytes, clock, hop, onTokens } = this.#options;
    const frames = new Map<Replica, Part[]>();
    const sampled: Leg[] = [];
    for (const { sequence, item } of parts) {
      if (!this.#cached.has(sequence)) continue;
      const next = sequence.route[index + 1];
      if (next === undefined) {
        if (item.logits > 0) sampled.push(sequence);
        continue;
      }
      const part = { sequence, item, from: this.#linkOf(sequence) };
      const frame = frames.get(next);
      if (frame === undefined) frames.set(next, [part]);
      else frame.push(part);
    }
    if (sampled.length > 0) clock.after(hop.baseMs / 1e3, () => onTokens(sampled));
    for (const [next, frame] of frames) {
      frame[0]!.from!.send({ bytes: rowsOf(frame) * rowBytes, arrived: () => next.receive(frame) });
    }
  }

  /** To the next replica of a leg's route; null in the head. */
  #linkOf({ route }: Leg): Link | null {
    const { index, clock, hop } = this.#options;
    const next = route[index + 1];
    if (next === undefined) return null;
    const known = this.#links.get(next);
    if (known !== undefined) return known;
    const link = new Link(clock, hop, () => this.wake());
    this.#links.set(next, link);
    return link;
  }

  #release({ from, item }: Part): void {
    from?.consumed(item.count * this.#options.rowBytes);
  }

  #count(parts: readonly Part[], seconds: number): void {
    const isPrefill = parts.some(({ item }) => phaseOf(item) === 'prefill');
    const totals: { -readonly [Field in keyof Totals]: number } =
      this.totals[isPrefill ? 'prefill' : 'decode'];
    this.#meanStep = movingAverage(this.#meanStep, seconds, SLOW);
    totals.steps += 1;
    totals.parts += parts.length;
    totals.busySeconds += seconds;
    totals.partsSquared += parts.length ** 2;
    totals.partsBySeconds += parts.length * seconds;
  }
}

const rowsOf = (parts: readonly Work[]): number => parts.reduce((sum, { item }) => sum + item.count, 0);

/** Cuts a part of a prompt in two after so many rows; only the end of a prompt wants a token. */
function dividePart(part: Part, rows: number): readonly [Part, Part] {
  const { position, count } = part.item;
  return [
    { ...part, item: { ...part.item, count: rows, logits: 0 } },
    { ...part, item: { ...part.item, position: position + rows, count: count - rows } },
  ];
}
