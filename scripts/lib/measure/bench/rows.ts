import { writeWhole } from '../../repository.js';
import type { Machine } from '../page.js';
import {
  durationOf,
  failedOf,
  timePerOutputToken,
  timeToFirstToken,
  type ServiceLevel,
} from '../figures/requests.js';
import { voidReason } from '../figures/validity.js';
import type { Trial } from '../types.js';

/** What one must know to judge a run, or to repeat it. */
export interface RunHeader {
  /** ISO, of its beginning. */
  readonly date: string;
  readonly command: string;
  readonly model: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly level: ServiceLevel;
  /** Of a timed engine, what it emulates. */
  readonly engine?: string | null;
  /** Of each arm. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * One JSON document: the run, what each trial used, and a row for every request on a line of its own, from which
 * all that is reported of requests can be computed again. Times are in milliseconds since the trial began.
 */
export function rawRows(run: RunHeader, trials: readonly Trial[]): string {
  const rows = trials.flatMap(({ arm, load, round, records }) =>
    records.map((record) =>
      JSON.stringify({
        arm,
        load,
        round,
        kind: record.kind,
        prompt_tokens: record.promptTokens,
        output_tokens: record.outputTokens,
        sent_ms: rounded(record.sent),
        ttft_ms: rounded(timeToFirstToken(record)),
        tpot_ms: rounded(timePerOutputToken(record)),
        token_ms: record.tokens.map(rounded),
        error: record.error,
      }),
    ),
  );
  const usage = trials.map(({ arm, load, round, usage: used }) =>
    JSON.stringify({ arm, load, round, ...used }),
  );
  return `{"run": ${JSON.stringify(run)},\n"usage": [\n${usage.join(',\n')}\n],\n"rows": [\n${rows.join(',\n')}\n]}\n`;
}

export const writeRawRows = (path: string, run: RunHeader, trials: readonly Trial[]): void =>
  writeWhole(path, rawRows(run, trials));

const rounded = (value: number | null): number | null =>
  value === null ? null : Math.round(value * 100) / 100;

/** Mean number of processors that others may keep busy during a trial. */
const QUIET = 0.1;

/** Why the figures should not stand in the documentation; null when they may. */
export function unpublishableReason(trials: readonly Trial[]): string | null {
  const failed = trials.flatMap(failedOf);
  if (failed.length > 0) return `${failed.length} requests failed, the first with: ${failed[0]!.error!}`;
  const invalid = voidReason(trials.map(({ usage }) => usage));
  if (invalid !== null) return `the run is void: ${invalid}`;
  const loads = trials.map((trial) => (trial.usage.otherSeconds ?? 0) / durationOf(trial));
  const loudest = Math.max(...loads);
  if (loudest <= QUIET) return null;
  return `the machine was not quiet, others kept ${loudest.toFixed(2)} processors busy during a trial`;
}
