import { ServingError } from '../../lib/errors/serving-error.js';
import type { Round } from '../sequence-trace.js';
import type { LayerCosts } from './better-split.js';
import { measure } from './measure.js';
import { reportOf, type Report } from './report.js';
import { RoundLog } from './round-log.js';
import { TotalsLog, type ReplicaTotals } from './totals-log.js';

export interface ReporterOptions {
  readonly model: { readonly name: string; readonly split: readonly number[]; readonly costs: LayerCosts };
  /** What every replica has done so far. */
  readonly totals: () => readonly ReplicaTotals[];
}

const READING_MS = 1_000;

const now = (): number => performance.now() / 1000;

/** Keeps what a report needs of the last ten minutes, and makes reports of it. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #rounds = new RoundLog();
  readonly #totals = new TotalsLog();
  readonly #reading: NodeJS.Timeout;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#reading = setInterval(() => this.#totals.add(options.totals(), now()), READING_MS).unref();
  }

  add(round: Round): void {
    this.#rounds.add(round, now());
  }

  /** Of the last so many seconds. Throws `nothing_measured` where no token was decoded in them. */
  report(seconds: number): Report {
    const { model } = this.#options;
    const stages = [...model.split, null].map((_, index) => `stage-${index}`);
    const rounds = this.#rounds.window(seconds, now());
    const measured = measure(stages, seconds, rounds, this.#totals.window(seconds));
    if (measured === null)
      throw new ServingError('nothing_measured', `no tokens in the last ${seconds} seconds`);
    return reportOf(measured, model);
  }

  close(): void {
    clearInterval(this.#reading);
  }
}
