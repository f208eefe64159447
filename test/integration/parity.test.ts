import { readFile } from 'node:fs/promises';
import OpenAI from 'openai';
import { greedyTokens } from '../support/completions.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

interface Case {
  readonly text: string;
  readonly prompt: number[];
  /** What the plain reference engine generates (scripts/fixtures/parity-reference.ts). */
  readonly tokens: number[];
}

const NEIGHBOURS = 8;

/** `npm run parity` runs all prompts to their end, alone and in company; the check, which has little time, some, and half as far. */
const isFull = process.env['LAYERMESH_PARITY'] === 'full';
const fixture = JSON.parse(await readFile('test/fixtures/parity.json', 'utf8')) as Case[];
const cases = isFull ? fixture : fixture.map((each) => ({ ...each, tokens: each.tokens.slice(0, 32) }));
const inCompany = isFull ? cases : cases.slice(-NEIGHBOURS - 1);
/** What takes the messages there has nothing to do with whether there is company. */
const alone = (mesh: 'direct' | 'dapr'): readonly Case[] =>
  isFull ? cases : cases.slice(0, mesh === 'dapr' ? 1 : 2);
const splits = [[], [15], [10, 20], [6, 12, 18, 24]];
/** The check cuts the model in three over Dapr and in five without: the whole of it `engine.test.ts` compares. */
const splitsOver = (mesh: 'direct' | 'dapr'): number[][] =>
  splits.filter(({ length }) => isFull || length === (mesh === 'dapr' ? 2 : 4));

describe.each(['direct', 'dapr'] as const)('over the %s mesh, in f32', (mesh) => {
  describe.each(splitsOver(mesh).map((split) => [split.length + 1, split] as const))(
    '%i stages',
    (_count, split) => {
      let system: TestSystem;
      beforeAll(async () => {
        system = await startSystem({ mesh, split, precision: 'f32' });
      }, 120_000);
      afterAll(() => system.stop());

      it('generate what the reference engine generates, alone', async () => {
        for (const { prompt, tokens } of alone(mesh)) {
          expect(await greedyTokens(system.url, prompt, tokens.length)).toEqual(tokens);
        }
      }, 600_000);

      it(`generate the same among ${NEIGHBOURS} others`, async () => {
        const waiting = [...inCompany];
        const runOne = async (): Promise<void> => {
          for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
            expect(await greedyTokens(system.url, next.prompt, next.tokens.length)).toEqual(next.tokens);
          }
        };
        await Promise.all(Array.from({ length: NEIGHBOURS + 1 }, runOne));
      }, 600_000);

      it('stream words to an OpenAI client', async () => {
        const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
        const stream = await client.chat.completions.create({
          model: 'default',
          messages: [{ role: 'user', content: 'Say hello.' }],
          stream: true,
          stream_options: { include_usage: true },
          max_completion_tokens: 16,
          temperature: 0,
        });
        let text = '';
        let tokens = 0;
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta.content ?? '';
          tokens = chunk.usage?.completion_tokens ?? tokens;
        }
        expect(text).toMatch(/hello/i);
        expect(tokens).toBeGreaterThan(0);
      }, 60_000);
    },
  );
});
