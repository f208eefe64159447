import OpenAI from 'openai';
import type { Topology } from '../../services/gateway/generation/backend.js';
import { eventually } from '../support/eventually.js';
import { SMALL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const PROMPT = { prompt: smallPrompt(40), max_tokens: 24, temperature: 0, ignore_eos: true };
const MODELS = [SMALL, 'tiny'];

interface Answer {
  readonly model: string;
  readonly choices: readonly { readonly token_ids: readonly number[] }[];
  readonly usage: { readonly prompt_tokens_details: { readonly cached_tokens: number } };
}

describe.each(['direct', 'dapr'] as const)('two models behind one gateway over a mesh that is %s', (mesh) => {
  let system: TestSystem;
  beforeAll(async () => {
    const furtherModels = [{ name: 'tiny', split: [1] }];
    const env = { LAYERMESH_REROUTE_PATIENCE: '2' };
    // In int8 a last bit may depend on what shares a step, such as guesses.
    system = await startSystem({ model: SMALL, precision: 'f32', mesh, stages: 2, furtherModels, env });
  }, 180_000);
  afterAll(() => system.stop());

  const post = (model: string | null, more: object = {}): Promise<Response> =>
    fetch(`${system.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...PROMPT, return_token_ids: true, model, ...more }),
    });
  const answerOf = async (model: string | null, more: object = {}): Promise<Answer> => {
    const response = await post(model, more);
    expect(response.status).toBe(200);
    return (await response.json()) as Answer;
  };
  const tokensOf = async (model: string | null): Promise<string> =>
    (await answerOf(model)).choices[0]!.token_ids.join();
  const topologyOf = async (model: string): Promise<Topology> =>
    (await (await fetch(`${system.url}/topology?model=${model}`)).json()) as Topology;

  it('answers by the weights of the one that is named', async () => {
    const [first, second] = [await tokensOf(SMALL), await tokensOf('tiny')];
    expect(second).not.toBe(first);
    // Both at once, several times: what is in one batch is of one model.
    const names = [SMALL, 'tiny', null, 'tiny', SMALL, 'default', 'tiny:latest', 'tiny'];
    const answers = await Promise.all(names.map(tokensOf));
    expect(answers).toEqual(names.map((name) => (name?.startsWith('tiny') ? second : first)));
  });

  it('takes the routes of each through its own stages', async () => {
    const routes = await Promise.all(
      MODELS.map(async (model) => (await post(model)).headers.get('x-layermesh-route')!),
    );
    expect(routes[0]).toMatch(/^stage-0\/\w+>stage-1\/\w+$/);
    expect(routes[1]).toMatch(/^tiny-stage-0\/\w+>tiny-stage-1\/\w+$/);
    for (const [model, prefix] of [
      [SMALL, ''],
      ['tiny', 'tiny-'],
    ] as const) {
      const { stages, models, model: named } = await topologyOf(model);
      expect([named, models]).toEqual([model, MODELS]);
      expect(stages.map(({ app_id: appId }) => appId)).toEqual([`${prefix}stage-0`, `${prefix}stage-1`]);
      expect(stages.every(({ replicas }) => replicas.length === 1)).toBe(true);
    }
  });

  // What follows is the gateway's, and the same whatever takes its messages.
  if (mesh === 'direct') return;

  it('finds of a prompt only what its own model has computed', async () => {
    const prompt = smallPrompt(600, 7);
    const cached = async (model: string): Promise<number> =>
      (await answerOf(model, { prompt, max_tokens: 2 })).usage.prompt_tokens_details.cached_tokens;
    expect(await cached(SMALL)).toBe(0);
    await eventually('it is kept', async () => (await cached(SMALL)) > 0);
    expect(await cached('tiny')).toBe(0);
    await eventually('it is kept there too', async () => (await cached('tiny')) > 0);
  });

  it('tells of both to the official client', async () => {
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    const { data } = await client.models.list();
    expect(data).toMatchObject(MODELS.map((id) => ({ id, max_model_len: 4_096, precision: 'f32' })));
    await expect(client.completions.create({ model: 'huge', prompt: 'x' })).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining(`there is ${MODELS.join(', ')}`) as string,
    });
    // Stages tell of themselves every two seconds: until then nothing has been measured.
    const firstStage = (model: string): Promise<string> =>
      eventually('a report', async () => {
        const answer = await fetch(`${system.url}/report?model=${model}`);
        if (!answer.ok) return null;
        return ((await answer.json()) as { stages: { stage: string }[] }).stages[0]!.stage;
      });
    for (const [model, stage] of [
      [SMALL, 'stage-0'],
      ['tiny', 'tiny-stage-0'],
    ] as const) {
      expect(await firstStage(model)).toBe(stage);
    }
  });

  it('serves the one on when a stage of the other is killed, and that again when it is back', async () => {
    const before = await tokensOf('tiny');
    const [killed] = system.members('stage-1');
    process.kill(killed!.servicePid, 'SIGKILL');
    const ready = async (model: string): Promise<boolean> =>
      (await fetch(`${system.url}/ready?model=${model}`)).ok;
    await eventually('the one is lost', async () => !(await ready(SMALL)));
    expect(await tokensOf('tiny')).toBe(before);
    const whole = await fetch(`${system.url}/ready`);
    expect(await whole.json()).toMatchObject({
      status: 'ready',
      warnings: [expect.stringContaining('stage-1')],
    });
    await eventually('it is back', () => ready(SMALL), 60_000);
    expect(await tokensOf(SMALL)).not.toBe(before);
  });

  it('has replicas of a stage of its own model added', async () => {
    const { stages } = await system.scale('tiny-stage-1', 2);
    expect(stages.map(({ app_id: appId, replicas }) => [appId, replicas.length])).toEqual([
      ['tiny-stage-0', 1],
      ['tiny-stage-1', 2],
    ]);
    expect((await topologyOf(SMALL)).stages[1]!.replicas).toHaveLength(1);
    await system.scale('tiny-stage-1', 1);
  });
});
