import { join } from 'node:path';
import { Command } from 'commander';
import { ServingError } from '../services/lib/errors/serving-error.js';
import { runStep } from './bootstrap/step.mjs';
import { conclude } from './lib/check/check-step.js';
import { CLIENTS, type Client } from './lib/check/clients/catalogue.js';
import { countsOf, resultsTable, type ClientRow } from './lib/check/clients/results.js';
import { runClient } from './lib/check/clients/run-client.js';
import { setUpClient, Unavailable, type Command as Program } from './lib/check/clients/runtimes.js';
import { withServer } from './lib/check/clients/servers.js';
import { collect } from './lib/cli/options.js';
import { runCommand, stopSignal } from './lib/cli/command.js';
import { writeResults } from './lib/measure/page.js';
import { repositoryRoot } from './lib/repository.js';

const PAGE = join(repositoryRoot, 'docs', 'clients.md');
const SLOW_CASES = ['pauses', 'timeouts'];

await runCommand(
  new Command('check-clients')
    .description(
      'Official and popular clients, unmodified, against a real mesh with the demo model. Needs the registries of their ' +
        'packages the first time.',
    )
    .option(
      '--only <name>',
      `one of ${CLIENTS.map(({ name }) => name).join(', ')}; may be repeated`,
      collect,
      [],
    )
    .option('--docs', 'write the results into docs/clients.md', false)
    .action(async ({ only, docs }: { only: readonly string[]; docs: boolean }) => {
      const signal = stopSignal();
      const rows: ClientRow[] = [];
      const ready: { client: Client; program: Program }[] = [];
      for (const client of chosen(only)) {
        try {
          const program = await runStep(`${client.title} is there`, () => setUpClient(client, signal));
          ready.push({ client, program });
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error;
          rows.push({
            client,
            version: null,
            cases: [{ case: 'all', outcome: 'skipped', detail: error.message }],
          });
        }
      }

      // One after another: what has few requests a minute is one key for them all.
      await withServer({ slow: false }, signal, async (env) => {
        for (const { client, program } of ready) {
          const result = await runStep(client.title, () => runClient(program, [], env, signal, print));
          rows.push({ client, ...result });
        }
      });
      const patient = ready.filter(({ client }) => client.slow);
      if (patient.length > 0) {
        // All at once: each of them mostly waits.
        await withServer({ slow: true }, signal, (env) =>
          runStep('streams with pauses', () =>
            Promise.all(
              patient.map(async ({ client, program }) => {
                const { cases } = await runClient(program, SLOW_CASES, env, signal, print);
                const row = rows.findIndex((each) => each.client === client);
                rows[row] = { ...rows[row]!, cases: [...rows[row]!.cases, ...cases] };
              }),
            ),
          ),
        );
      }

      const results = resultsTable(rows);
      console.log(`\n${results}\n`);
      if (docs) writeResults(results, PAGE);
      conclude(rows.map(countsOf));
    }),
);

function chosen(names: readonly string[]): readonly Client[] {
  const unknown = names.find((name) => !CLIENTS.some((client) => client.name === name));
  if (unknown !== undefined) {
    throw new ServingError('invalid_config', `there is no client ${unknown}`, {
      hint: `use one of ${CLIENTS.map(({ name }) => name).join(', ')}`,
    });
  }
  return CLIENTS.filter(({ name, onlyByName }) =>
    names.length === 0 ? onlyByName !== true : names.includes(name),
  );
}

function print(text: string): void {
  process.stderr.write(`${text}\n`);
}
