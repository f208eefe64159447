import { BusyMeter } from './busy-meter.js';
import type { Phase, StageMetrics } from './metrics.js';
import { phaseOf, type Part, type StepRun } from './step.js';
import type { Totals } from '../lib/wire/step-totals.js';
import { StepTotals } from './step-totals.js';

/** A step that has begun. */
export interface Begun {
  readonly started: number;
  /** What its parts had waited, in all. */
  readonly queued: number;
}

const now = (): number => performance.now() / 1000;

/** Measures the steps of a stage: for its metrics, for its status and for the times that go out with the rows. */
export class StepMeter {
  readonly #metrics: StageMetrics;
  readonly #busy = new BusyMeter(now());
  readonly #totals = new StepTotals();
  #steps = 0;
  /** When the step that runs began. */
  #running: number | null = null;

  constructor(metrics: StageMetrics) {
    this.#metrics = metrics;
  }

  /** Share of the last seconds in which the engine computed, and sums over all steps so far. */
  status(): { busyRatio: number } & Readonly<Record<Phase, Totals>> {
    return { busyRatio: this.#busy.ratio(now()), ...this.#totals.read(processTimes()) };
  }

  /** For how long the engine has been computing a step; 0 while it computes none. */
  get stepSeconds(): number {
    return this.#running === null ? 0 : now() - this.#running;
  }

  begin(parts: readonly Part[]): Begun {
    const started = now();
    this.#running = started;
    const phase = phaseOf(parts);
    let queued = 0;
    for (const { sequence, arrival } of parts) {
      const waited = started - sequence.clock.waitingSince(arrival.at);
      sequence.clock.begin(started);
      this.#metrics.queueSeconds.observe({ phase }, waited);
      queued += waited;
    }
    return { started, queued };
  }

  /** The engine has answered, or thrown. */
  stopped(): void {
    this.#running = null;
  }

  /** The engine has answered; it says itself how long it computed. The clocks of the parts still run. */
  end(parts: readonly Part[], { started, queued }: Begun, busy: number): StepRun {
    const ended = now();
    const phase = phaseOf(parts);
    this.#metrics.batchSize.observe({ phase }, parts.length);
    this.#metrics.stepSeconds.observe({ phase }, busy);
    this.#metrics.busySeconds.inc(busy);
    this.#busy.add(busy, ended);
    this.#totals.observe(phase, { parts: parts.length, busy, queued });
    return { started, ended, batchSize: parts.length, step: ++this.#steps };
  }
}

function processTimes(): { processorSeconds: number; uptimeSeconds: number } {
  const { user, system } = process.cpuUsage();
  return { processorSeconds: (user + system) / 1e6, uptimeSeconds: process.uptime() };
}
