import type { RequestRecord } from '../telemetry/request-record.js';
import type { Round } from '../telemetry/rounds.js';

/** What one step of time was like; null where nothing came that could be measured. Milliseconds, tokens per second. */
export interface LoadPoint {
  /** Unix time at its end, ms. */
  readonly at: number;
  readonly ttft_p50: number | null;
  readonly ttft_p95: number | null;
  /** From asking the mesh for the next tokens until they came, per token. */
  readonly itl_p50: number | null;
  readonly itl_p95: number | null;
  readonly tokens_per_second: number;
  readonly running: number;
  readonly waiting: number;
  /** Requests that were answered, and that failed or were refused. */
  readonly finished: number;
  readonly failed: number;
  /** Replicas of each stage, stage 0 first, and how busy they are. */
  readonly replicas: readonly number[];
  readonly busy: readonly number[];
}

/** What is read at the end of each step. */
type LoadNow = Pick<LoadPoint, 'running' | 'waiting' | 'replicas' | 'busy'>;

export const STEP_SECONDS = 5;
const HOUR = 3_600;
/** Of each kind, in a step: far more than percentiles need. */
const MAX_SAMPLES = 2_048;

/** The load of the last hour in steps of five seconds. Times are passed in. */
export class LoadLog {
  readonly #points: LoadPoint[] = [];
  #firsts = new Samples();
  #betweens = new Samples();
  #tokens = 0;
  #finished = 0;
  #failed = 0;
  #since: number | null = null;

  ended({ state }: Pick<RequestRecord, 'state'>): void {
    if (state === 'failed') this.#failed++;
    else if (state === 'done') this.#finished++;
  }

  round({ phase, before, roundTrip, tokens }: Round): void {
    this.#tokens += tokens;
    if (phase === 'prefill') this.#firsts.add((before + roundTrip) * 1000);
    else this.#betweens.add((roundTrip / Math.max(1, tokens)) * 1000);
  }

  /** Called often; returns the point of a step that has just ended. `at`: Unix time, ms. */
  tick(at: number, now: () => LoadNow): LoadPoint | null {
    // A clock that is set back would keep the step from ending until it is where it was.
    this.#since = Math.min(this.#since ?? at, at);
    const seconds = (at - this.#since) / 1000;
    if (seconds < STEP_SECONDS) return null;
    const point: LoadPoint = {
      at,
      ttft_p50: this.#firsts.quantile(0.5),
      ttft_p95: this.#firsts.quantile(0.95),
      itl_p50: this.#betweens.quantile(0.5),
      itl_p95: this.#betweens.quantile(0.95),
      tokens_per_second: Math.round((this.#tokens / seconds) * 10) / 10,
      finished: this.#finished,
      failed: this.#failed,
      ...now(),
    };
    // They are drawn in the order of their times.
    while ((this.#points.at(-1)?.at ?? -Infinity) >= at) this.#points.pop();
    this.#points.push(point);
    if (this.#points.length > HOUR / STEP_SECONDS) this.#points.shift();
    [this.#firsts, this.#betweens] = [new Samples(), new Samples()];
    [this.#tokens, this.#finished, this.#failed, this.#since] = [0, 0, 0, at];
    return point;
  }

  get points(): readonly LoadPoint[] {
    return this.#points;
  }
}

/** So many as percentiles need, each of all that came as likely as any other: the first would not tell of a pause after them. */
class Samples {
  readonly #kept: number[] = [];
  #came = 0;

  add(value: number): void {
    const place = this.#came < MAX_SAMPLES ? this.#came : Math.floor(Math.random() * (this.#came + 1));
    if (place < MAX_SAMPLES) this.#kept[place] = value;
    this.#came++;
  }

  /** Null where none came. */
  quantile(share: number): number | null {
    const sorted = this.#kept.toSorted((one, other) => one - other);
    const at = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return at === undefined ? null : Math.round(at * 100) / 100;
  }
}
