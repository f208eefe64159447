import { setTimeout as delay } from 'node:timers/promises';
import { RoundTrail } from '../../services/gateway/telemetry/round-trail.js';
import { readProcess } from '../../scripts/lib/measure/figures/usage.js';
import { greedyTokens } from '../support/completions.js';
import { SMALL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const PAGES = 50;
const CLIENTS = 16;
const ANSWER = 64;
const SECONDS = 4;
/** Without and with pages, so that what drifts is on both sides. */
const ORDER = [0, PAGES, PAGES, 0, 0, PAGES, PAGES, 0];
/** Of the processor time of which the tokens are made. */
const MOST = 0.02;
/** The same of what keeps rounds, which is timed by itself. */
const MOST_OF_TRAIL = 0.01;

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({ model: SMALL, mesh: 'direct' });
});
afterAll(() => system.stop());

/** Processor seconds, and tokens, in some time. */
interface Spent {
  readonly gateway: number;
  readonly all: number;
  readonly tokens: number;
  readonly seconds: number;
}

let tokens = 0;

async function keepBusy(client: number, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const answer = await greedyTokens(system.url, smallPrompt(8, client * 1_000 + turn), ANSWER);
    // Not `tokens += (await …).length`, which would add to what it was before.
    tokens += answer.length;
  }
}

/** A page hears of the mesh and of the requests; more it asks for only when its reader opens something. */
async function page(signal: AbortSignal): Promise<void> {
  const stream = fetch(`${system.url}/topology/events`, { signal });
  await stream.then((response) => response.text()).catch(() => undefined);
}

function readNow(): { gateway: number; all: number } {
  const of = (appId: string): number =>
    system.members(appId).reduce((sum, { servicePid }) => sum + readProcess(servicePid)!.cpuSeconds, 0);
  const gateway = of('gateway');
  return { gateway, all: gateway + of('stage-0') + of('stage-1') + of('stage-2') };
}

async function spentWith(pages: number): Promise<Spent> {
  const over = new AbortController();
  const open = Array.from({ length: pages }, () => page(over.signal));
  await delay(500);
  const [before, tokensBefore, began] = [readNow(), tokens, performance.now()];
  await delay(SECONDS * 1_000);
  const [after, seconds] = [readNow(), (performance.now() - began) / 1_000];
  const spent = { gateway: after.gateway - before.gateway, all: after.all - before.all };
  const came = tokens - tokensBefore;
  over.abort();
  await Promise.all(open);
  return { ...spent, tokens: came, seconds };
}

const sumOf = (all: readonly Spent[]): Spent =>
  all.reduce((one, other) => ({
    gateway: one.gateway + other.gateway,
    all: one.all + other.all,
    tokens: one.tokens + other.tokens,
    seconds: one.seconds + other.seconds,
  }));

test('fifty open pages cost the gateway next to nothing beside 16 clients', async () => {
  const over = new AbortController();
  const clients = Array.from({ length: CLIENTS }, (_, client) => keepBusy(client, over.signal));
  await delay(2_000);
  const spent: [number, Spent][] = [];
  for (const pages of ORDER) spent.push([pages, await spentWith(pages)]);
  over.abort();
  await Promise.all(clients);
  const [none, many] = [0, PAGES].map((wanted) =>
    sumOf(spent.filter(([pages]) => pages === wanted).map(([, each]) => each)),
  ) as [Spent, Spent];
  // Of the time and not of a token: the clients keep the machine busy, and on a slower minute each token is dearer.
  const extra = many.gateway / many.seconds - none.gateway / none.seconds;
  const share = extra / (none.all / none.seconds);
  const rate = (one: Spent): string => (one.tokens / one.seconds).toFixed(0);
  const busy = (one: Spent): string => ((100 * one.gateway) / one.seconds).toFixed(1);
  console.log(
    `${rate(none)} tokens/s and ${busy(none)} % of a processor in the gateway, with ${PAGES} pages ${rate(many)} and ` +
      `${busy(many)} %: ${(100 * share).toFixed(2)} % of the processor time of tokens`,
  );
  expect(share).toBeLessThan(MOST);

  const micros = microsPerRound();
  const trail = (micros * (none.tokens / none.seconds)) / 1e6;
  console.log(`with no page: ${micros.toFixed(2)} µs a round, ${(100 * trail).toFixed(3)} % of a processor`);
  expect(trail / (none.all / none.seconds)).toBeLessThan(MOST_OF_TRAIL);
}, 120_000);

/** What keeping a round takes; of each sequence as many as of an answer. */
function microsPerRound(): number {
  const route = ['stage-0', 'stage-1', 'stage-2'].map((appId) => ({ appId, replica: 'a' }));
  const path = route.map(() => ({ queue: 0.001, compute: 0.004 }));
  const round = { phase: 'decode' as const, route, roundTrip: 0.02, before: 0, path, tokens: 1 };
  const sequences = 3_000;
  const began = performance.now();
  for (let sequence = 0; sequence < sequences; sequence++) {
    const trail = new RoundTrail();
    trail.routed(route, 0);
    for (let number = 0; number < ANSWER; number++) trail.add(round, number * 20);
  }
  return ((performance.now() - began) * 1_000) / (sequences * ANSWER);
}
