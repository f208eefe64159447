import { renameSync, writeFileSync } from 'node:fs';
import { timePerOutputToken, timeToFirstToken } from '../measure/latency.js';
import type { Trial } from '../trial.js';
import type { RunHeader } from './run-header.js';

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

export function writeRawRows(path: string, run: RunHeader, trials: readonly Trial[]): void {
  writeFileSync(`${path}.unfinished`, rawRows(run, trials));
  renameSync(`${path}.unfinished`, path);
}

const rounded = (value: number | null): number | null =>
  value === null ? null : Math.round(value * 100) / 100;
