import type { Tracer } from '@opentelemetry/api';
import type { ServingError } from '../../lib/errors/serving-error.js';
import type { Open } from '../../lib/wire/gen/stage_pb.js';
import { NO_STEPS, type Totals } from '../../lib/wire/step-totals.js';
import { movingAverage, SLOW } from '../scheduling/step-costs.js';
import { phaseOf, type Phase } from '../scheduling/work-queue.js';
import type { Part } from '../step/part.js';
import type { StageMetrics } from './metrics.js';
import {
  SequenceAccount,
  spansOf,
  type Arrival,
  type ChunkTime,
  type StageLabels,
  type TracedStep,
} from './sequence-account.js';

export interface AccountOptions {
  readonly metrics: StageMetrics;
  readonly tracer: Tracer;
  readonly labels: StageLabels;
}

/** What a part's rows took in this stage, from their arrival until their step was over, for whoever they go to. */
export interface PartTime {
  readonly queue: number;
  readonly compute: number;
  /** Where they are the end of a prompt: the chunks before it. */
  readonly chunks: readonly ChunkTime[];
  /** The id of the part's span, under which the next stage's belongs; '' where the gateway asked for none. */
  readonly span: string;
}

/** This process's monotonic clock, seconds. */
export const now = (): number => performance.now() / 1000;

/**
 * The stage's one account of time. It hears of everything that happens in the stage, and metrics, spans, the status and
 * the times that go out with the rows are all made from what it books. Seconds; who tells others converts.
 */
export class Account {
  readonly #options: AccountOptions;
  readonly #busy = new BusyMeter(now());
  /** Over all steps so far: whoever reads them twice knows what happened in between. */
  readonly #totals: Readonly<Record<Phase, Mutable<Totals>>> = {
    prefill: { ...NO_STEPS },
    decode: { ...NO_STEPS },
  };
  #steps = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #meanStep: number | null = null;
  /** Since when it waits to be used for the first time; null before it serves, and once it has been. */
  #unusedSince: number | null = null;
  /** The step that runs: when it began, and what each of its parts had waited. */
  #running: { readonly began: number; readonly waits: readonly number[] } | null = null;

  constructor(options: AccountOptions) {
    this.#options = options;
  }

  /**
   * Share of the last seconds in which the engine computed, sums over all steps and frames, and how long the step that runs
   * has.
   */
  status(): { busyRatio: number; stepSeconds: number; bytesIn: number; bytesOut: number } & Readonly<
    Record<Phase, Totals>
  > {
    const { prefill, decode } = this.#totals;
    // A process has one account of its processors, which both carry.
    const process = processTimes();
    return {
      busyRatio: this.#busy.ratio(now()),
      stepSeconds: this.#running === null ? 0 : now() - this.#running.began,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      prefill: { ...prefill, ...process },
      decode: { ...decode, ...process },
    };
  }

  /** What a step takes, seconds; 0 before the first. */
  get meanStepSeconds(): number {
    return this.#meanStep ?? 0;
  }

  /** Others can find this replica from now on. */
  serves(): void {
    this.#unusedSince = now();
  }

  /** The clock of a sequence from now on, and its spans under the link's `traceparent`, where it is traced. */
  sequenceOpened(open: Open, link: { readonly traceparent: string }): SequenceAccount {
    const { tracer, labels, metrics } = this.#options;
    if (this.#unusedSince !== null) metrics.firstSequenceSeconds.set(now() - this.#unusedSince);
    this.#unusedSince = null;
    return new SequenceAccount(spansOf(tracer, labels, open, link));
  }

  /** `reason`: why it failed; none where it was closed. */
  sequenceEnded({ spans }: SequenceAccount, reason?: ServingError): void {
    spans?.end(reason);
  }

  /** Payload of frames, bytes. */
  received(bytes: number): void {
    this.#bytesIn += bytes;
    this.#options.metrics.linkBytes.inc({ direction: 'in' }, bytes);
  }

  /** Payload of frames, bytes. */
  sent(bytes: number): void {
    this.#bytesOut += bytes;
    this.#options.metrics.linkBytes.inc({ direction: 'out' }, bytes);
  }

  /** To be asked when rows come, for from then on they wait. */
  rowsArrived(sequence: SequenceAccount): Arrival {
    const at = now();
    return { at, computed: sequence.computed(at) };
  }

  /** The engine is given a step of these parts: they wait no more. */
  stepBegan(parts: readonly Part[]): void {
    const began = now();
    const waits = parts.map(({ sequence: { account }, arrival }) => {
      account.begin(began);
      return began - account.waitingSince(arrival.at);
    });
    this.#running = { began, waits };
  }

  /** The engine has thrown. The clocks of the parts run on: they are tried again, or fail. */
  stepFailed(): void {
    this.#running = null;
  }

  /**
   * The engine has answered, and says itself that it computed for `busy` seconds, and of a step that it emulates how much
   * too late it was over. Returns each part's time.
   */
  stepEnded(
    parts: readonly Part[],
    busy: number,
    overshoot: number | null = null,
  ): { readonly ended: number; readonly times: PartTime[] } {
    const { metrics } = this.#options;
    const { began: started, waits } = this.#running!;
    this.#running = null;
    const ended = now();
    const phase = phaseOfStep(parts);
    // Not when it began: what is tried again would be told twice.
    for (const waited of waits) metrics.queueSeconds.observe({ phase }, waited);
    metrics.batchSize.observe({ phase }, parts.length);
    metrics.stepSeconds.observe({ phase }, busy);
    metrics.busySeconds.inc(busy);
    if (overshoot !== null) metrics.stepOvershoot.observe(overshoot);
    this.#busy.add(busy, ended);
    this.#meanStep = movingAverage(this.#meanStep, busy, SLOW);
    const queued = waits.reduce((sum, waited) => sum + waited, 0);
    addStep(this.#totals[phase], parts.length, busy, queued);
    const run = { started, ended, batchSize: parts.length, step: ++this.#steps };
    return { ended, times: parts.map((part) => partTime(part, run)) };
  }
}

type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };

/** A step is prefill as soon as it has rows of a prompt. */
const phaseOfStep = (parts: readonly Part[]): Phase =>
  parts.some(({ item }) => phaseOf(item) === 'prefill') ? 'prefill' : 'decode';

function addStep(totals: Mutable<Totals>, parts: number, busy: number, queued: number): void {
  totals.steps += 1;
  totals.parts += parts;
  totals.busySeconds += busy;
  totals.queueSeconds += queued;
  totals.partsSquared += parts ** 2;
  totals.partsBySeconds += parts * busy;
}

/** Books a part's step in its sequence's account, and its span unless the sequence has ended meanwhile. */
function partTime(
  { sequence: { account, isOpen }, item, arrival }: Part,
  run: Pick<TracedStep, 'started' | 'ended' | 'batchSize' | 'step'>,
): PartTime {
  const since = Math.min(run.started, account.waitingSince(arrival.at));
  account.end(run.ended);
  const isEnd = item.logits > 0;
  if (!isEnd) account.chunkEnded(item.count, run);
  const chunks = isEnd ? account.takeChunks(run.ended) : [];
  const compute = account.computed(run.ended) - arrival.computed;
  const queue = run.ended - arrival.at - compute;
  if (account.spans === null || !isOpen) return { queue, compute, chunks, span: '' };
  const step = { ...run, phase: phaseOf(item), since, tokens: item.count };
  return { queue, compute, chunks, span: account.spans.ran(step, item.parent ?? '') };
}

function processTimes(): Pick<Totals, 'processorSeconds' | 'uptimeSeconds'> {
  const { user, system } = process.cpuUsage();
  return { processorSeconds: (user + system) / 1e6, uptimeSeconds: process.uptime() };
}

/** How many seconds are looked back on. */
const WINDOW = 10;

/**
 * Which share of the last seconds the engine computed. Time is counted into one-second buckets of a ring, by
 * the clock that is passed in (seconds, monotonic).
 */
export class BusyMeter {
  readonly #buckets = new Float64Array(WINDOW + 1);
  readonly #started: number;
  #newest: number;

  constructor(now: number) {
    this.#started = now;
    this.#newest = Math.floor(now);
  }

  /** Books `seconds` of computing that ended at `now`. */
  add(seconds: number, now: number): void {
    this.#advance(now);
    let end = now;
    let left = Math.min(seconds, WINDOW, now - this.#started);
    while (left > 0) {
      const second = Math.ceil(end) - 1;
      const part = Math.min(left, end - second);
      this.#buckets[second % this.#buckets.length]! += part;
      left -= part;
      end = second;
    }
  }

  /** From 0 to 1. */
  ratio(now: number): number {
    this.#advance(now);
    const span = Math.min(WINDOW, now - this.#started);
    if (span <= 0) return 0;
    const all = this.#buckets.reduce((sum, bucket) => sum + bucket, 0);
    // The window begins within the oldest second, of which only its part of it counts.
    const oldest = this.#buckets[(this.#newest + 1) % this.#buckets.length]!;
    return Math.min(1, (all - oldest * (now - this.#newest)) / span);
  }

  #advance(now: number): void {
    const second = Math.floor(now);
    const steps = Math.min(second - this.#newest, this.#buckets.length);
    for (let step = 1; step <= steps; step++)
      this.#buckets[(second - steps + step) % this.#buckets.length] = 0;
    if (steps > 0) this.#newest = second;
  }
}
