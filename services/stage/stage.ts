import type { Tracer } from '@opentelemetry/api';
import { ServingError } from '../lib/errors/serving-error.js';
import type { CalleeLink, StatusFields } from '../lib/mesh/callee-link.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import type { LinkManager } from '../lib/mesh/link-manager.js';
import { fromSamplingMessage } from '../lib/sampling/params.js';
import { frameCost, unpackFrame, type Rows, type RowShape } from '../lib/wire/frames.js';
import type { Close, Failed, Frame, Message, Open } from '../lib/wire/gen/stage_pb.js';
import { Batcher, type BatchingOptions } from './batcher.js';
import { deliver } from './delivery.js';
import type { EngineClient } from './engine-client.js';
import type { SamplerSpec } from './engine-messages.js';
import type { StageMetrics } from './metrics.js';
import { failed, Sequence, type Downstream } from './sequence.js';
import { enginesOf, parallelSteps, type Compute } from './parallel-steps.js';
import { spansOf, type StageLabels } from './sequence-spans.js';
import { StepMeter } from './step-meter.js';
import { bytesOf, dividePart, partOf, toStepInput, type Part } from './step.js';

export interface StageOptions {
  readonly labels: StageLabels;
  /** What the engine computes on. */
  readonly compute: Omit<Compute, 'replica'>;
  /** Of what comes in: token ids in stage 0, activations elsewhere. */
  readonly rowsIn: RowShape;
  readonly batching: Omit<BatchingOptions<Part>, 'divide'>;
  readonly engine: Pick<EngineClient, 'kv' | 'open' | 'close' | 'step'>;
  /** Links to the next stage; null in the head. */
  readonly next: Pick<LinkManager, 'get' | 'links'> | null;
  readonly metrics: StageMetrics;
  readonly tracer: Tracer;
}

/** Another route can help, or the same one later. */
const isMendable = ({ code }: ServingError): boolean =>
  code === 'stream_broken' || code === 'stage_unavailable' || code === 'kv_exhausted';

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

const now = (): number => performance.now() / 1000;

/**
 * A layer service's heart: takes sequences and their rows from upstream, runs what is waiting as one step
 * whenever the engine is free, and passes the results on.
 */
export class Stage {
  readonly #options: StageOptions;
  readonly #batcher: Batcher<Part>;
  readonly #sequences = new Map<string, Sequence>();
  /** Oldest first. The head's tokens go to a gateway's oldest: whoever meets us twice closes the newer link. */
  readonly #callers = new Set<CalleeLink>();
  readonly #meter: StepMeter;
  #draining = false;
  #running = false;
  #alarm: NodeJS.Timeout | undefined;
  #whenIdle: (() => void) | null = null;

  constructor(options: StageOptions) {
    this.#options = options;
    this.#meter = new StepMeter(options.metrics);
    this.#batcher = new Batcher({ ...options.batching, divide: dividePart });
  }

  get queueDepth(): number {
    return this.#batcher.depth;
  }

  get sequences(): number {
    return this.#sequences.size;
  }

  status(): StatusFields {
    const { engine, next } = this.#options;
    return {
      draining: this.#draining,
      sequences: this.#sequences.size,
      kvUsed: engine.kv.used,
      kvCapacity: engine.kv.capacity,
      rssBytes: process.memoryUsage.rss(),
      nextReplicas: next?.links.map((link) => link.replica) ?? [],
      engine: this.#compute,
      enginesAfter: this.#enginesAfter,
      stepSeconds: this.#meter.stepSeconds,
      hopSeconds: meanOf(next?.links.map((link) => link.hopSeconds) ?? []),
      ...this.#meter.status(),
    };
  }

  /** Steps that this stage and those after it can compute at once. */
  get parallelSteps(): number {
    return parallelSteps([this.#compute, ...this.#enginesAfter]);
  }

  get #compute(): Compute {
    const { labels, compute } = this.#options;
    return { replica: `stage-${labels.index}/${labels.replica}`, ...compute };
  }

  get #enginesAfter(): Compute[] {
    return enginesOf(this.#options.next?.links.map((link) => link.status) ?? []);
  }

  onCaller(link: CalleeLink): void {
    this.#callers.add(link);
  }

  onCallerMessage(link: CalleeLink, { body }: Message): void {
    if (body.case === 'open') void this.#open(link, body.value);
    else if (body.case === 'frame') this.#receive(link, body.value);
    else if (body.case === 'close') this.#close(link, body.value);
  }

  /** Whoever opened these sequences is gone, or whoever wanted their tokens. */
  onCallerEnd(link: CalleeLink): void {
    this.#callers.delete(link);
    const reason = new ServingError('stream_broken', `lost ${link.appId}/${link.replica}`);
    for (const sequence of [...this.#sequences.values()]) {
      if (sequence.upstream === link || sequence.downstream.link === link) this.#fail(sequence, reason);
    }
  }

  onNextMessage(link: CallerLink, { body }: Message): void {
    if (body.case !== 'failed') return;
    const sequence = this.#find(body.value);
    if (sequence?.downstream.link !== link) return;
    this.#fail(sequence, ServingError.received(body.value.code, body.value.message));
  }

  onNextEnd(link: CallerLink): void {
    const reason = new ServingError('stream_broken', `lost ${link.appId}/${link.replica}`);
    for (const sequence of [...this.#sequences.values()]) {
      if (sequence.downstream.link === link) this.#fail(sequence, reason);
    }
  }

  /** Something that kept work waiting has changed: a link has room again. */
  wake(): void {
    if (this.#running) return;
    this.#running = true;
    // After this turn of the event loop, so that all frames that have arrived share the step.
    setImmediate(() => void this.#run());
  }

  /** Takes no new sequences from now on; resolves when the running ones have ended. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#sequences.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#whenIdle = resolve));
  }

  async #open(link: CalleeLink, open: Open): Promise<void> {
    let sequence: Sequence | undefined;
    try {
      this.#leaveOlderEpoch(open);
      if (this.#draining)
        throw new ServingError('stage_unavailable', `${this.#options.labels.replica} is draining`);
      const { tracer, labels } = this.#options;
      sequence = new Sequence(open, {
        upstream: link,
        downstream: this.#downstreamOf(open),
        spans: spansOf(tracer, labels, open, link),
        takesTokens: this.#options.rowsIn.hidden === null,
      });
      this.#sequences.set(sequence.id, sequence);
      const sampler = this.#samplerOf(open);
      const prefix = open.prefix.slice(0, open.cachedBlocks);
      const cached = await this.#options.engine.open(sequence.key, open.maxLength, sampler, prefix);
      // Closed or moved while the engine was answering: it has been freed already.
      if (this.#isOpen(sequence)) sequence.opened(open, cached);
    } catch (error) {
      const reason = ServingError.from(error);
      if (sequence !== undefined && this.#isOpen(sequence)) this.#free(sequence, [], reason);
      link.send(failed({ id: open.sequence, epoch: open.epoch }, reason));
    }
  }

  /** Its `Close` may come late, by another way than this `Open`. Throws when it is the `Open` that is late. */
  #leaveOlderEpoch({ sequence: id, epoch }: Open): void {
    const current = this.#sequences.get(id);
    if (current === undefined) return;
    if (current.epoch >= epoch)
      throw new ServingError('stage_unavailable', `${id} is open in epoch ${current.epoch} already`);
    this.#end(current);
  }

  #downstreamOf(open: Open): Downstream {
    const { next, labels } = this.#options;
    const following = labels.index + 1;
    if (next === null) {
      const link = [...this.#callers].find(({ replica }) => replica === open.gateway);
      if (link === undefined)
        throw new ServingError('stage_unavailable', `no link to gateway ${open.gateway}`);
      return { to: 'gateway', link };
    }
    const wanted = open.route[following] ?? '';
    const link = next.get(wanted);
    if (link === undefined)
      throw new ServingError('stage_unavailable', `no link to stage-${following}/${wanted}`);
    return { to: 'stage', link };
  }

  #samplerOf(open: Open): SamplerSpec | null {
    if (this.#options.next !== null) return null;
    if (open.sampling === undefined) throw new ServingError('invalid_frame', 'an open without sampling');
    return { params: fromSamplingMessage(open.sampling), prompt: open.prompt, sampled: open.sampled };
  }

  /** What is wrong with an item costs its sequence, and nobody else. */
  #receive(link: CalleeLink, frame: Frame): void {
    const { rowsIn, metrics } = this.#options;
    const cost = frameCost(frame);
    metrics.linkBytes.inc({ direction: 'in' }, cost);
    const { rows, refused } = unpackFrame(frame, rowsIn);
    const dropped = cost - rows.reduce((sum, content) => sum + bytesOf({ content }), 0);
    if (dropped > 0) link.consumed(dropped);
    for (const { item, reason } of refused) this.#refuse(link, item, reason);
    for (const content of rows) this.#take(link, content);
    this.wake();
  }

  #take(link: CalleeLink, content: Rows): void {
    const { item } = content;
    const sequence = this.#find(item);
    if (sequence?.upstream === link && sequence.advance(content)) {
      const at = now();
      const arrival = { at, computed: sequence.clock.computed(at) };
      this.#batcher.enqueue(partOf(sequence, content, link, arrival), at);
      return;
    }
    link.consumed(bytesOf({ content }));
    const problem = `rows at ${item.position} are not the next of ${item.sequence}`;
    this.#refuse(link, item, new ServingError('invalid_frame', problem));
  }

  /** Of a sequence that was closed while its rows were on their way nothing is left to fail; of another's, nothing may. */
  #refuse(link: CalleeLink, item: Pick<Failed, 'sequence' | 'epoch'>, reason: ServingError): void {
    const sequence = this.#find(item);
    if (sequence?.upstream === link) this.#fail(sequence, reason);
  }

  #close(link: CalleeLink, close: Close): void {
    const sequence = this.#find(close);
    if (sequence?.upstream === link) this.#end(sequence, sequence.verified(close.prefix));
  }

  /** What has been computed of it is kept, where another attempt may go on with it. */
  #fail(sequence: Sequence, reason: ServingError): void {
    sequence.fail(reason);
    this.#end(sequence, isMendable(reason) ? sequence.begun : [], reason);
  }

  /** `prefix` names the blocks to be kept of it, here and further on. */
  #end(sequence: Sequence, prefix: readonly string[] = [], reason?: ServingError): void {
    sequence.closeDownstream(prefix);
    this.#free(sequence, this.#draining ? [] : prefix, reason);
  }

  #free(sequence: Sequence, prefix: readonly string[], reason?: ServingError): void {
    sequence.spans?.end(reason);
    this.#sequences.delete(sequence.id);
    for (const part of this.#batcher.remove(sequence)) part.link.consumed(bytesOf(part));
    this.#options.engine.close(sequence.key, prefix);
    // Others may have waited for it to come back.
    this.wake();
    if (this.#sequences.size === 0) this.#whenIdle?.();
  }

  /** What belongs to an older epoch, or has been closed, is not found. */
  #find({ sequence: id, epoch }: Pick<Failed, 'sequence' | 'epoch'>): Sequence | undefined {
    const found = this.#sequences.get(id);
    return found?.epoch === epoch ? found : undefined;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#alarm);
    for (let parts = this.#nextBatch(); parts.length > 0; parts = this.#nextBatch()) await this.#step(parts);
    this.#running = false;
    const { deadline } = this.#batcher;
    if (deadline !== null) this.#alarm = setTimeout(() => this.wake(), (deadline - now()) * 1000).unref();
  }

  /** A stage does not compute what it could not pass on: that is how a slow stage slows those before it. */
  #nextBatch(): Part[] {
    return this.#batcher.next(
      ({ sequence: { downstream } }) => downstream.to === 'gateway' || !downstream.link.congested,
      now(),
    );
  }

  async #step(parts: readonly Part[]): Promise<void> {
    for (const part of parts) part.link.consumed(bytesOf(part));
    for (let left = parts; left.length > 0;) left = await this.#attempt(left);
  }

  /** Computes parts together, or finds out why not; those that it returns are to be tried again. */
  async #attempt(parts: readonly Part[]): Promise<readonly Part[]> {
    try {
      await this.#runTogether(parts);
    } catch (error) {
      const reason = ServingError.from(error);
      if (reason.code === 'kv_exhausted') return this.#giveWay(parts, reason);
      // Whose fault it is shows when each is alone.
      if (parts.length > 1) for (const part of parts) await this.#attempt([part]);
      else this.#failOpen(parts, reason);
    }
    return [];
  }

  async #runTogether(parts: readonly Part[]): Promise<void> {
    const { engine, metrics } = this.#options;
    const begun = this.#meter.begin(parts);
    const { result, seconds } = await engine.step(toStepInput(parts)).finally(() => this.#meter.stopped());
    const run = this.#meter.end(parts, begun, seconds);
    const alive = ({ sequence }: Part): boolean => this.#isOpen(sequence);
    const { sentBytes, refused } = deliver(parts, result, run, alive);
    for (const { sequence, position, rows } of parts) {
      sequence.clock.end(run.ended);
      sequence.computed = position + rows;
    }
    metrics.linkBytes.inc({ direction: 'out' }, sentBytes);
    this.#batcher.ran(parts, seconds, alive, run.ended);
    for (const [sequence, reason] of refused) this.#fail(sequence, reason);
  }

  /**
   * There is no room for the rows of all parts: the sequence that came last leaves, to be replayed when there is
   * room again. Returns the parts that stay.
   */
  #giveWay(parts: readonly Part[], reason: ServingError): readonly Part[] {
    const taking = new Set(parts.map(({ sequence }) => sequence));
    const holders = [...this.#sequences.values()].filter(
      (sequence) => sequence.computed > 0 || taking.has(sequence),
    );
    this.#fail(holders.at(-1)!, reason);
    return parts.filter(({ sequence }) => this.#isOpen(sequence));
  }

  #failOpen(parts: readonly Part[], reason: ServingError): void {
    for (const { sequence } of parts) if (this.#isOpen(sequence)) this.#fail(sequence, reason);
  }

  #isOpen(sequence: Sequence): boolean {
    return this.#sequences.get(sequence.id) === sequence;
  }
}
