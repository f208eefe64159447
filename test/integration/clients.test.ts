import { ensureCompiled } from '../../scripts/bootstrap/compile.mjs';
import { CLIENTS } from '../../scripts/lib/check/clients/catalogue.js';
import { runClient } from '../../scripts/lib/check/clients/run-client.js';
import { setUpClient, Unavailable } from '../../scripts/lib/check/clients/runtimes.js';
import { withServer } from '../../scripts/lib/check/clients/servers.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';

/** One client, and the cases that take no time; `npm run check:clients` has them all. */
const client = CLIENTS.find(({ name }) => name === 'openai-python')!;
const CASES = [
  'models',
  'chat',
  'chat_stream',
  'responses_stream',
  'json_schema',
  'published_types',
  'errors',
];
const { signal } = new AbortController();

const program = await setUpClient(client, signal).catch((reason: unknown) => {
  if (reason instanceof Unavailable) return reason;
  throw reason;
});
if (program instanceof Unavailable) console.warn(`${client.title} is not tried: ${program.message}`);

(program instanceof Unavailable ? test.skip : test)(
  `${client.title}, unmodified, against a mesh`,
  async () => {
    await ensureCompiled(repositoryRoot);
    let printed = '';
    const { cases } = await withServer({}, signal, (env) =>
      runClient(program as Exclude<typeof program, Unavailable>, CASES, env, signal, (text) => {
        printed += text;
      }),
    );
    expect(printed).toBe('');
    expect(cases.map((each) => `${each.case}: ${each.outcome}`)).toEqual(
      CASES.map((name) => `${name.replaceAll('_', ' ')}: passed`),
    );
  },
  180_000,
);
