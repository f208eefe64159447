import { join } from 'node:path';
import { Command } from 'commander';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { runStep } from '../bootstrap/step.mjs';
import { conclude } from '../lib/check/check-step.js';
import { CLIENTS, type Client } from '../lib/check/clients/catalogue.js';
import { countsOf, resultsTable, type ClientRow } from '../lib/check/clients/results.js';
import { runClient, type ClientResult } from '../lib/check/clients/run-client.js';
import { setUpClient, Unavailable, type Command as Program } from '../lib/check/clients/runtimes.js';
import { PAUSES, PLAIN, withServer, type Environment } from '../lib/check/clients/servers.js';
import { collect } from '../lib/cli/options.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { writeResults } from '../lib/measure/page.js';
import { repositoryRoot } from '../lib/repository.js';

const PAGE = join(repositoryRoot, 'docs', 'clients.md');
const SLOW_CASES = ['pauses', 'timeouts'];

interface Ready {
  readonly client: Client;
  readonly program: Program;
}

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
      const ready: Ready[] = [];
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

      const found = new Map<Client, ClientResult[]>(ready.map(({ client }) => [client, []]));
      const tried = async ({ client, program }: Ready, names: readonly string[], env: Environment) => {
        const result = await runClient(program, names, env, signal, print);
        found.get(client)!.push(result);
        const { passed, failed } = countsOf(result);
        return `${passed} passed, ${failed} failed`;
      };
      // One after another: what has few requests a minute is one key for them all.
      const isMeasured = ready.some(({ client }) => client.measures);
      const quick = withServer(isMeasured ? PLAIN : {}, signal, async (env) => {
        for (const each of ready) {
          await runStep(each.client.title, async (update) => update(await tried(each, [], env)));
        }
      });
      // Beside it, and all at once: each of them mostly waits.
      const patient = ready.filter(({ client }) => client.slow);
      const slow = async (): Promise<void> => {
        if (patient.length === 0) return;
        await withServer(PAUSES, signal, (env) =>
          runStep('streams with pauses', async () => {
            await Promise.all(patient.map((each) => tried(each, SLOW_CASES, env)));
          }),
        );
      };
      // Each stops its own system before anything is told.
      for (const ended of await Promise.allSettled([quick, slow()])) {
        if (ended.status === 'rejected') throw ended.reason;
      }
      for (const [client, results] of found) {
        const version = results.find((each) => each.version !== null)?.version ?? null;
        rows.push({ client, version, cases: results.flatMap((each) => each.cases) });
      }

      rows.sort((one, other) => CLIENTS.indexOf(one.client) - CLIENTS.indexOf(other.client));
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
  return CLIENTS.filter(({ name, measures }) =>
    names.length === 0 ? measures !== true : names.includes(name),
  );
}

function print(text: string): void {
  process.stderr.write(`${text}\n`);
}
