import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { METRICS } from '../../services/lib/telemetry/names.js';
import { greedyTokens } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { SMALL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const PROMPT = smallPrompt(3);
const REQUESTS = 12;

/** A collector that takes connections and never says anything: worse than one that is not there. */
async function silentCollector(): Promise<{ url: string; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('data', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe('a system whose collector never answers', () => {
  let collector: Awaited<ReturnType<typeof silentCollector>>;
  let system: TestSystem;
  let stopped = false;

  beforeAll(async () => {
    collector = await silentCollector();
    system = await startSystem({
      model: SMALL,
      stages: 2,
      mesh: 'direct',
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    });
  }, 120_000);
  afterAll(async () => {
    if (!stopped) await system.stop();
    collector.close();
  }, 60_000);

  const failedSpans = async (): Promise<number> => {
    const page = await (await fetch(`${system.url}/metrics`)).text();
    return new Scrape(page).total(METRICS.spans, 'outcome="failed"');
  };

  it('serves every request, and counts the spans that were lost', async () => {
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, () => greedyTokens(system.url, PROMPT, 8)),
    );
    expect(answers.map((tokens) => tokens.length)).toEqual(Array(REQUESTS).fill(8));
    await eventually('lost spans are counted', async () => (await failedSpans()) > 0, 30_000);
    expect(await greedyTokens(system.url, PROMPT, 8)).toHaveLength(8);
  }, 60_000);

  it('stops in bounded time', async () => {
    const started = performance.now();
    await system.stop();
    stopped = true;
    // Gateway and stages flush for three seconds each, one after the other.
    expect(performance.now() - started).toBeLessThan(15_000);
  }, 60_000);
});
