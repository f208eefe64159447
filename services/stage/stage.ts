import type { Tracer } from '@opentelemetry/api';
import { stageId } from '../lib/config/app-id.js';
import { ServingError } from '../lib/errors/serving-error.js';
import type { CalleeLink, StatusFields } from '../lib/mesh/callee-link.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import type { LinkManager } from '../lib/mesh/link-manager.js';
import { frameCost, rowsCost, unpackFrame, type Rows, type RowShape } from '../lib/wire/frames.js';
import type { Frame, Message } from '../lib/wire/gen/stage_pb.js';
import { Account, now } from './accounts/account.js';
import type { StageMetrics } from './accounts/metrics.js';
import type { StageLabels } from './accounts/sequence-account.js';
import type { EngineClient } from './engine/engine-client.js';
import { enginesOf, groupsAtOnce, shareProcessors, type Compute } from './scheduling/parallel-steps.js';
import type { Scheduler } from './scheduling/scheduler.js';
import { Sequences } from './sequences/sequences.js';
import { deliver } from './step/delivery.js';
import { partOf, release, type Part } from './step/part.js';
import { StepRunner, type StepRun } from './step/step-runner.js';

export interface StageOptions {
  readonly labels: StageLabels;
  /** What the engine computes on. */
  readonly compute: Omit<Compute, 'replica' | 'meanStepSeconds' | 'hopSeconds'>;
  /** Threads of a step that nothing else is computed beside. */
  readonly aloneThreads: number;
  /** Of what comes in: token ids in stage 0, activations elsewhere. */
  readonly rowsIn: RowShape;
  readonly scheduler: Scheduler<Part>;
  readonly engine: Pick<EngineClient, 'kv' | 'open' | 'close' | 'step'>;
  /** Links to the next stage; null in the head. */
  readonly next: Pick<LinkManager, 'get' | 'links'> | null;
  /** How much longer than its links say a hop to the next stage takes, seconds: one that is emulated, and dilated. */
  readonly hopPadSeconds?: number;
  readonly metrics: StageMetrics;
  readonly tracer: Tracer;
}

/**
 * A layer service's heart: takes sequences and their rows from upstream, and whenever the engine is free schedules
 * a step of what waits, runs it, and delivers the results.
 */
export class Stage {
  readonly #options: StageOptions;
  readonly #scheduler: Scheduler<Part>;
  readonly #sequences: Sequences;
  readonly #runner: StepRunner;
  readonly #account: Account;
  #running = false;
  /** When what kept work waiting had changed, before the engine was set to work. */
  #woken = 0;
  #alarm: NodeJS.Timeout | undefined;

  constructor(options: StageOptions) {
    const { scheduler, labels, engine, next, rowsIn } = options;
    this.#options = options;
    this.#scheduler = scheduler;
    this.#account = new Account(options);
    this.#sequences = new Sequences({
      labels,
      engine,
      next,
      account: this.#account,
      takesTokens: rowsIn.hidden === null,
      onEnd: (sequence) => {
        for (const part of scheduler.remove(sequence)) release(part);
        // Others may have waited for it to come back.
        this.wake();
      },
    });
    this.#runner = new StepRunner(engine, this.#sequences, this.#account);
  }

  /** Parts that wait for a step. */
  get queueDepth(): number {
    return this.#scheduler.depth;
  }

  /** Sequences that are open. */
  get sequences(): number {
    return this.#sequences.size;
  }

  /** What this replica tells of itself over every link: at its beginning, with each pong, and when its ways on change. */
  status(): StatusFields {
    const { engine } = this.#options;
    const links = this.#nextLinks;
    return {
      draining: this.#sequences.draining,
      sequences: this.#sequences.size,
      kvUsed: engine.kv.used,
      kvCapacity: engine.kv.capacity,
      rssBytes: process.memoryUsage.rss(),
      nextReplicas: links.map((link) => link.replica),
      engine: this.#compute,
      enginesAfter: this.#enginesAfter,
      ...this.#account.status(),
    };
  }

  /** Groups of what begins here that may be out at once, on average. */
  get groupsAtOnce(): number {
    const there = this.#nextLinks.reduce((sum, { status }) => sum + status.sequences, 0);
    return groupsAtOnce(this.#compute, this.#enginesAfter, this.sequences / Math.max(1, there));
  }

  /** Whether one step at a time has more processors here and in the stages after this one than each of several. */
  get gainsAlone(): boolean {
    const { aloneThreads, compute } = this.#options;
    return aloneThreads > compute.threads && shareProcessors([this.#compute, ...this.#enginesAfter]);
  }

  /** Others can find this replica from now on. */
  serves(): void {
    this.#account.serves();
  }

  onCaller(link: CalleeLink): void {
    this.#sequences.onCaller(link);
  }

  onCallerMessage(link: CalleeLink, { body }: Message): void {
    if (body.case === 'open') void this.#sequences.open(link, body.value);
    else if (body.case === 'frame') this.#receive(link, body.value);
    else if (body.case === 'close') this.#sequences.close(link, body.value);
  }

  /** A previous stage's replica, or a gateway, is gone: its sequences fail. */
  onCallerEnd(link: CalleeLink): void {
    this.#sequences.onCallerEnd(link);
  }

  /** A replica of the next stage can only tell that a sequence has failed there, which fails here too. */
  onNextMessage(link: CallerLink, { body }: Message): void {
    if (body.case !== 'failed') return;
    const { code, message, replica } = body.value;
    const reason = ServingError.received(code, message, replica);
    this.#sequences.fail(this.#sequences.findTo(link, body.value), reason);
  }

  onNextUp(): void {
    this.#tellCallers();
  }

  /** A replica of the next stage is gone: what went on to it fails, so that the gateway looks for another route. */
  onNextEnd(link: CallerLink): void {
    this.#sequences.onLinkEnd(link);
    this.#tellCallers();
  }

  /** Which ways lead on from here decides which routes there are: nobody should have to ask for that. */
  #tellCallers(): void {
    for (const link of this.#sequences.callers) link.tell(this.status());
  }

  /** Takes no new sequences from now on; resolves when the running ones have ended. */
  drain(): Promise<void> {
    return this.#sequences.drain();
  }

  /** Something that kept work waiting has changed: rows have come, or a link has room again. */
  wake(): void {
    if (this.#running) return;
    this.#running = true;
    this.#woken = now();
    // After this turn of the event loop, so that all frames that have arrived share the step.
    setImmediate(() => void this.#run());
  }

  /** Schedule, run, deliver: as long as there is something to run. */
  async #run(): Promise<void> {
    clearTimeout(this.#alarm);
    for (let parts = this.#schedule(); parts.length > 0; parts = this.#schedule()) {
      for await (const step of this.#runner.run(parts, this.#woken)) this.#deliver(step);
    }
    this.#running = false;
    const { deadline } = this.#scheduler;
    if (deadline !== null) this.#alarm = setTimeout(() => this.wake(), (deadline - now()) * 1000).unref();
  }

  /** A stage does not compute what it could not pass on: that is how a slow stage slows those before it. */
  #schedule(): Part[] {
    const parts = this.#scheduler.next(
      ({ sequence: { downstream } }) => downstream.to === 'gateway' || !downstream.link.congested,
      now(),
    );
    for (const part of parts) release(part);
    return parts;
  }

  /** What cannot be sent fails the step's sequences, and never ends the loop. */
  #deliver(step: StepRun): void {
    try {
      const { sentBytes, refused } = deliver(step);
      this.#account.sent(sentBytes);
      this.#scheduler.ran(step.parts, step.seconds, ({ sequence }) => sequence.isOpen, step.ended);
      for (const [sequence, reason] of refused) this.#sequences.fail(sequence, reason);
    } catch (error) {
      const reason = ServingError.from(error);
      for (const { sequence } of step.parts) this.#sequences.fail(sequence, reason);
    }
  }

  /** What is wrong with an item costs its sequence, and nobody else. */
  #receive(link: CalleeLink, frame: Frame): void {
    const cost = frameCost(frame);
    this.#account.received(cost);
    const { rows, refused } = unpackFrame(frame, this.#options.rowsIn);
    const dropped = cost - rows.reduce((sum, each) => sum + rowsCost(each), 0);
    if (dropped > 0) link.consumed(dropped);
    for (const { item, reason } of refused)
      this.#sequences.fail(this.#sequences.findFrom(link, item), reason);
    for (const each of rows) this.#take(link, each);
    this.wake();
  }

  #take(link: CalleeLink, rows: Rows): void {
    const { item } = rows;
    const sequence = this.#sequences.findFrom(link, item);
    if (sequence?.advance(rows) === true) {
      const arrival = this.#account.rowsArrived(sequence.account);
      this.#scheduler.enqueue(partOf(rows, sequence, arrival), arrival.at);
      return;
    }
    link.consumed(rowsCost(rows));
    const problem = `rows at ${item.position} are not the next of ${item.sequence}`;
    this.#sequences.fail(sequence, new ServingError('invalid_frame', problem));
  }

  get #nextLinks(): readonly CallerLink[] {
    return this.#options.next?.links ?? [];
  }

  get #compute(): Compute {
    const { labels, compute, hopPadSeconds = 0 } = this.#options;
    const { meanStepSeconds } = this.#account;
    const appId = stageId(labels.meshName ?? '', labels.index);
    const links = this.#nextLinks;
    const hops = links.map((link) => link.hopSeconds + hopPadSeconds);
    const hopSeconds = hops.reduce((sum, hop) => sum + hop, 0) / Math.max(1, hops.length);
    return { replica: `${appId}/${labels.replica}`, ...compute, meanStepSeconds, hopSeconds };
  }

  get #enginesAfter(): Compute[] {
    return enginesOf(this.#nextLinks.map((link) => link.status));
  }
}
