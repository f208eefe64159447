import { ServingError } from '../../lib/errors/serving-error.js';
import type { Round } from '../telemetry/rounds.js';
import type { Room } from './advice.js';
import type { LayerCosts } from './better-split.js';
import { measure } from './measure.js';
import { reportOf, type Report } from './report.js';
import { RoundLog } from './round-log.js';
import { TotalsLog, type ReplicaTotals } from './totals-log.js';

interface ReporterOptions {
  readonly model: {
    readonly name: string;
    /** App-ids, stage 0 first. */
    readonly stages: readonly string[];
    readonly split: readonly number[];
    readonly costs: LayerCosts;
  };
  /** What every replica has done so far. */
  readonly totals: () => readonly ReplicaTotals[];
  /** KV room now. */
  readonly room: () => Room;
}

const READING_MS = 1_000;

const nothing = (why: string): ServingError => new ServingError('nothing_measured', why);

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

  /**
   * Of the last so many seconds, or since a replica came or went. Throws `nothing_measured` where no token was
   * decoded in them, or a stage has not told of its steps yet.
   */
  report(seconds: number): Report {
    const { model } = this.#options;
    this.#totals.add(this.#options.totals(), now());
    const totals = this.#totals.window(seconds);
    if (totals === null) throw nothing('the replicas have just changed');
    // Rounds are summed by whole seconds, so their rates are of as many; the stages' are of their own clocks.
    const whole = Math.max(1, Math.round(totals.seconds));
    const rounds = this.#rounds.window(whole, now());
    if (rounds.decode.rounds === 0) throw nothing(`no tokens in the last ${whole} seconds`);
    return reportOf(measure(model.stages, whole, rounds, totals.replicas), model, this.#options.room());
  }

  close(): void {
    clearInterval(this.#reading);
  }
}
