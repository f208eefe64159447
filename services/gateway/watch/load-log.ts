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
export type LoadNow = Pick<LoadPoint, 'running' | 'waiting' | 'replicas' | 'busy'>;

export const STEP_SECONDS = 5;
const HOUR = 3_600;
/** Of each kind, in a step: far more than percentiles need. */
const MAX_SAMPLES = 2_048;

/** The load of the last hour in steps of five seconds. Pure: times are passed in. */
export class LoadLog {
  readonly #points: LoadPoint[] = [];
  #firsts: number[] = [];
  #betweens: number[] = [];
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
    const samples = phase === 'prefill' ? this.#firsts : this.#betweens;
    if (samples.length === MAX_SAMPLES) return;
    samples.push((phase === 'prefill' ? before + roundTrip : roundTrip / Math.max(1, tokens)) * 1000);
  }

  /** Called often; returns the point of a step that has just ended. `at`: Unix time, ms. */
  tick(at: number, now: () => LoadNow): LoadPoint | null {
    this.#since ??= at;
    const seconds = (at - this.#since) / 1000;
    if (seconds < STEP_SECONDS) return null;
    const point: LoadPoint = {
      at,
      ttft_p50: quantile(this.#firsts, 0.5),
      ttft_p95: quantile(this.#firsts, 0.95),
      itl_p50: quantile(this.#betweens, 0.5),
      itl_p95: quantile(this.#betweens, 0.95),
      tokens_per_second: Math.round((this.#tokens / seconds) * 10) / 10,
      finished: this.#finished,
      failed: this.#failed,
      ...now(),
    };
    this.#points.push(point);
    if (this.#points.length > HOUR / STEP_SECONDS) this.#points.shift();
    [this.#firsts, this.#betweens] = [[], []];
    [this.#tokens, this.#finished, this.#failed, this.#since] = [0, 0, 0, at];
    return point;
  }

  get points(): readonly LoadPoint[] {
    return this.#points;
  }
}

function quantile(samples: readonly number[], share: number): number | null {
  if (samples.length === 0) return null;
  const sorted = [...samples].sort((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]! * 100) / 100;
}
