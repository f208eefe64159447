import { z } from 'zod';
import { runTool } from '../../../bootstrap/tool.mjs';
import { repositoryRoot } from '../../repository.js';
import type { Command } from './runtimes.js';

/** What one case of a client's program came to. */
export interface CaseResult {
  readonly case: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What failed, why it was skipped, or what was found. */
  readonly detail: string;
}

export interface ClientResult {
  /** Of the client, by its own account; null where its program did not come so far. */
  readonly version: string | null;
  readonly cases: readonly CaseResult[];
}

const MINUTES = 10;

const line = z.union([
  z.object({ client: z.string(), version: z.string() }),
  z.object({
    case: z.string(),
    outcome: z.enum(['passed', 'failed', 'skipped']),
    detail: z.string().default(''),
  }),
]);

/**
 * Runs a client's program to its end, which prints a line of JSON for each case; `cases` are those to run, all but the slow
 * ones where none are named. One that dies or takes more than ten minutes has failed a case of that name.
 */
export async function runClient(
  { program, args }: Command,
  cases: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<ClientResult> {
  const limit = AbortSignal.timeout(MINUTES * 60_000);
  let text = '';
  let end: string | null = null;
  try {
    const { code } = await runTool(program, [...args, ...cases], {
      cwd: repositoryRoot,
      env: { ...process.env, ...env },
      signal: AbortSignal.any([signal, limit]),
      onText: (piece) => {
        text += piece;
      },
    });
    if (code !== 0) end = `exit code ${code}: ${text.trim().slice(-300)}`;
  } catch (error) {
    signal.throwIfAborted();
    end = limit.aborted ? `more than ${MINUTES} minutes` : String(error);
  }
  const lines = text.split('\n').flatMap(parseLine);
  const results = lines.filter((each) => 'case' in each);
  if (end === null && results.length === 0) end = 'no case was run';
  if (end !== null) results.push({ case: 'the program', outcome: 'failed', detail: end });
  // What a program says beside its results explains those that failed.
  if (results.some(({ outcome }) => outcome === 'failed')) print(text);
  return { version: lines.find((each) => 'version' in each)?.version ?? null, cases: results };
}

function parseLine(text: string): z.infer<typeof line>[] {
  if (!/^\{"(client|case)":/.test(text)) return [];
  return [line.parse(JSON.parse(text))];
}
