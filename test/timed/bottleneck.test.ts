import type { Report } from '../../services/gateway/report/report.js';
import { greedyTokens } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { SMALL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

/** What a fault adds to each step of one stage, milliseconds. */
const DELAY = 20;
/** That each client asks for. */
const TOKENS = 24;
const STAGES = ['stage-0', 'stage-1', 'stage-2'] as const;

const startWithSlow = (slow: string): Promise<TestSystem> =>
  startSystem({
    model: SMALL,
    mesh: 'direct',
    env: {
      LAYERMESH_SPECULATION: 'off',
      LAYERMESH_FAULT_STAGE: slow,
      LAYERMESH_FAULT_STEP_MS: String(DELAY),
    },
  });

/** The report of so many clients that decode for some seconds, each a prompt of its own. */
async function reportUnder({ url }: TestSystem, clients: number): Promise<Report> {
  const requests = Array.from({ length: clients }, (_, client) =>
    greedyTokens(url, smallPrompt(16, client), TOKENS),
  );
  const started = performance.now();
  await Promise.all(requests);
  const loaded = performance.now();
  // Statuses come every two seconds: what the stages did is known once they told.
  return eventually('all stages have told of the load', async () => {
    const window = Math.min(600, Math.ceil((performance.now() - started) / 1000));
    const report = await reportOf(url, window);
    const told = report?.stages.every(
      ({ utilisation, step_ms }) => (utilisation * report.window_s * 1000) / step_ms >= 0.8 * TOKENS,
    );
    return told === true && performance.now() - loaded > 2_500 ? report : null;
  });
}

async function reportOf(url: string, window: number): Promise<Report | null> {
  const response = await fetch(`${url}/report?window=${window}`);
  return response.ok ? ((await response.json()) as Report) : null;
}

/** Of each stage, by where the numbers come from: the engine's steps, and what a token's round spent there. */
const numbersOf = ({ stages }: Report): Record<string, { step: number; round: number }> =>
  Object.fromEntries(
    stages.map(({ stage, step_ms, decode }) => [stage, { step: step_ms, round: decode.compute_ms }]),
  );

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value) / values.length;

describe('a stage that is made slow', () => {
  /** By the stage that was slow, and then by how many clients there were. */
  const reports = new Map<string, Map<number, Report>>();

  beforeAll(async () => {
    // At once: what else the machine does meanwhile is the same for all three.
    await Promise.all(
      STAGES.map(async (slow) => {
        const system = await startWithSlow(slow);
        try {
          const under = new Map<number, Report>();
          for (const clients of [1, 16]) under.set(clients, await reportUnder(system, clients));
          reports.set(slow, under);
        } finally {
          await system.stop();
        }
      }),
    );
  }, 240_000);

  it.each(STAGES.flatMap((slow) => [1, 16].map((clients) => [slow, clients] as const)))(
    '%s is what moves, and what the report names, under %i clients',
    (slow, clients) => {
      const report = reports.get(slow)!.get(clients)!;
      expect(report.bottleneck.stage).toBe(slow);
      const now = numbersOf(report);
      /** Against the runs in which neither this stage nor the slow one was slow. */
      const moved = (stage: string, what: 'step' | 'round'): number => {
        const usual = STAGES.filter((other) => other !== slow && other !== stage);
        return (
          now[stage]![what] -
          mean(usual.map((other) => numbersOf(reports.get(other)!.get(clients)!)[stage]![what]))
        );
      };
      // What else the machine does meanwhile makes the steps of all stages longer, by about as much.
      for (const what of ['step', 'round'] as const) {
        const others = STAGES.filter((stage) => stage !== slow).map((stage) => moved(stage, what));
        expect(moved(slow, what) - Math.max(...others)).toBeGreaterThan(DELAY / 2);
      }
    },
  );
});
