import { availableParallelism } from 'node:os';
import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { parallelSteps } from '../../services/stage/scheduling/parallel-steps.js';
import { post } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { startSystem, type TestMember, type TestSystem } from '../support/local-system.js';
import { openSequences, stepsRun } from '../support/stage-metrics.js';

const STAGES = ['stage-0', 'stage-1', 'stage-2'];
/** How many groups of sequences are under way: as many as the machine can compute at once (docs/adr/009). */
const GROUPS = groupsOf(availableParallelism());
const PROMPT = [504, 3575, 282, 4649, 314];

function groupsOf(processors: number): number {
  const threads = Math.max(1, Math.floor(processors / STAGES.length));
  const engine = { owner: 'here', processors, threads };
  return parallelSteps(STAGES.map((replica) => ({ replica, ...engine })));
}

/** How many steps of a phase have run, and of how many sequences they were. */
async function batches({ serviceHttpPort }: TestMember, phase: 'prefill' | 'decode') {
  const page = await fetch(`http://127.0.0.1:${serviceHttpPort}/metrics`);
  const scrape = new Scrape(await page.text());
  const total = (what: string): number =>
    scrape.total(`layermesh_stage_batch_size_${what}`, `phase="${phase}"`);
  return { steps: total('count'), sequences: total('sum') };
}

describe('three stages on one machine', () => {
  let system: TestSystem;
  beforeAll(async () => {
    // Drafts would end a sequence sooner than its neighbours, and a prompt that is cached is not computed.
    const env = { LAYERMESH_SPECULATION: 'off', LAYERMESH_PREFIX_CACHE_MB: '0' };
    system = await startSystem({ mesh: 'direct', split: [10, 20], precision: 'int8', env });
  }, 120_000);
  afterAll(() => system.stop());

  const member = (appId: string): TestMember => system.members(appId)[0]!;
  const complete = (prompt: readonly number[], tokens: number, signal?: AbortSignal): Promise<Response> =>
    post(
      `${system.url}/v1/completions`,
      { prompt, max_tokens: tokens, temperature: 0, ignore_eos: true, stream: signal !== undefined },
      signal,
    );
  /** Sequences that are open in the stage that has most of them: its own figure, for a status may be two seconds old. */
  const mostOpen = async (): Promise<number> =>
    Math.max(...(await Promise.all(STAGES.map((appId) => openSequences(member(appId))))));
  const allFreed = () => eventually('all freed', async () => (await mostOpen()) === 0);

  it('keep sixteen clients in as few batches as are under way, in every stage', async () => {
    const before = await Promise.all(STAGES.map((appId) => batches(member(appId), 'decode')));
    const answers = await Promise.all(Array.from({ length: 16 }, () => complete(PROMPT, 64)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    for (const [index, appId] of STAGES.entries()) {
      const { steps, sequences } = await batches(member(appId), 'decode');
      const mean = (sequences - before[index]!.sequences) / (steps - before[index]!.steps);
      expect(mean).toBeGreaterThanOrEqual(14 / GROUPS);
    }
  }, 60_000);

  it('go on for some when others disconnect in the middle, who are gone within a second', async () => {
    const leaving = Array.from({ length: 6 }, () => new AbortController());
    const left = await Promise.all(leaving.map(({ signal }) => complete(PROMPT, 2_000, signal)));
    const staying = Array.from({ length: 6 }, () => complete(PROMPT, 48));
    const steps = await stepsRun(member('stage-2'));
    await eventually('a few steps', async () => (await stepsRun(member('stage-2'))) > steps + 5);
    for (const client of leaving) client.abort();
    await eventually('only those who stay', async () => (await mostOpen()) <= staying.length, 1_000);
    await Promise.allSettled(left.map((answer) => answer.text()));
    const answers = await Promise.all(staying);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    await allFreed();
  }, 60_000);

  it('compute a long prompt in pieces, together with those who run', async () => {
    const running = Array.from({ length: 4 }, () => new AbortController());
    const streams = await Promise.all(running.map(({ signal }) => complete(PROMPT, 4_000, signal)));
    const steps = await stepsRun(member('stage-2'));
    await eventually('a few steps', async () => (await stepsRun(member('stage-2'))) > steps + 10);
    const before = await Promise.all(STAGES.map((appId) => batches(member(appId), 'prefill')));
    const answer = await complete(
      Array.from({ length: 1_000 }, (_, index) => 500 + index),
      4,
    );
    expect(answer.status).toBe(200);
    for (const [index, appId] of STAGES.entries()) {
      const after = await batches(member(appId), 'prefill');
      const pieces = after.steps - before[index]!.steps;
      // Unless it were cut further, the prompt would take four chunks.
      expect(pieces).toBeGreaterThan(8);
      expect((after.sequences - before[index]!.sequences) / pieces).toBeGreaterThan(1 + 2 / GROUPS);
    }
    for (const client of running) client.abort();
    await Promise.allSettled(streams.map((stream) => stream.text()));
    await allFreed();
  }, 60_000);
});
