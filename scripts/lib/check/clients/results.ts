import { NONE, table } from '../../cli/tables.js';
import type { Outcome } from '../check-step.js';
import type { Client } from './catalogue.js';
import type { CaseResult, ClientResult } from './run-client.js';

export interface ClientRow extends ClientResult {
  readonly client: Client;
}

/** A row for each client: what held, and all that did not, or was not tried, with the reason. */
export function resultsTable(rows: readonly ClientRow[]): string {
  const head = ['client', 'version', 'holds', 'fails', 'not tried'];
  return table(
    head,
    rows.map(({ client, version, cases }) => [
      client.title,
      version ?? NONE,
      joined(
        of(cases, 'passed').map(({ case: name, detail }) => (detail === '' ? name : `${name} (${detail})`)),
      ),
      joined(of(cases, 'failed').map(withReason)),
      joined(of(cases, 'skipped').map(withReason)),
    ]),
  );
}

/** Where a client is there, a case that was skipped counts as failed: the server refused what it once did not serve, and serves now. */
export const countsOf = ({ version, cases }: ClientResult): Outcome => ({
  passed: of(cases, 'passed').length,
  failed: of(cases, 'failed').length + (version === null ? 0 : of(cases, 'skipped').length),
});

const of = (cases: readonly CaseResult[], outcome: CaseResult['outcome']): CaseResult[] =>
  cases.filter((each) => each.outcome === outcome);

const withReason = ({ case: name, detail }: CaseResult): string =>
  `${name}: ${detail.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 160)}`;

const joined = (texts: readonly string[]): string => (texts.length === 0 ? NONE : texts.join(', '));
