import { Worker } from 'node:worker_threads';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { TokenTrie } from '../../../../services/lib/grammar/token-trie.js';
import { constraintOf } from '../../../../services/lib/sampling/params.js';
import { EngineClient } from '../../../../services/stage/engine/engine-client.js';
import type { SamplerSpec } from '../../../../services/stage/engine/engine-messages.js';
import { greedy } from '../../../support/sampling.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { smallTrie } from '../../../support/vocabulary.js';

/** A worker thread that is ready, and answers a request by `answer`: the body of a function of it. */
const workerThat = (answer: string): Worker =>
  new Worker(
    `const { parentPort: port } = require('node:worker_threads');
     const kv = { used: 0, capacity: 10 };
     const done = (more) => port.postMessage({ type: 'done', kv, seconds: 0, result: null, ...more });
     const failed = (code) => port.postMessage({ type: 'failed', error: { code, message: code } });
     port.on('message', (request) => { ${answer} });
     port.postMessage({ type: 'ready', kv, clock: null });`,
    { eval: true },
  );
/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers<Value>() {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((fulfil) => (resolve = fulfil));
  return { promise, resolve };
}
const input = () => ({ items: [], tokens: Int32Array.of(1) });

describe('the engine client', () => {
  let worker: Worker;
  let crashes: ServingError[];
  const start = (
    answer: string,
    vocabulary: (() => Promise<TokenTrie>) | null = null,
  ): Promise<EngineClient> => {
    crashes = [];
    worker = workerThat(answer);
    return EngineClient.start(worker, { onCrash: (reason) => crashes.push(reason), vocabulary });
  };
  afterEach(() => worker.terminate());

  it('gives each answer to whom it belongs, and goes on after a failure', async () => {
    const engine = await start(`
      if (request.type === 'open') failed('kv_exhausted');
      else done({ kv: { used: 7, capacity: 10 }, seconds: 2, result: { sampled: [5] } });`);
    expect(engine.kv).toEqual({ used: 0, capacity: 10 });
    const [refused, stepped] = [thrownBy(() => engine.open('s', 1, null)), engine.step(input())];
    expect((await refused).code).toBe('kv_exhausted');
    expect(await stepped).toEqual({ result: { sampled: [5] }, seconds: 2 });
    expect(engine.kv.used).toBe(7);
    await engine.stop();
    expect(crashes).toEqual([]);
  });

  it.each([
    ['throws', `throw new Error('out of luck')`, 'the engine crashed: Error: out of luck'],
    ['ends', 'process.exit(3)', 'the engine crashed: its thread ended with 3'],
  ])(
    'fails what it was asked, and all that it is asked later, when the worker %s',
    async (_, answer, message) => {
      const engine = await start(answer);
      const asked = [engine.open('s', 1, null), engine.step(input())];
      for (const answered of asked)
        expect(await thrownBy(() => answered)).toMatchObject({ code: 'stage_unavailable', message });
      expect(crashes).toMatchObject([{ code: 'internal', message }]);
      engine.close('s');
      expect(await thrownBy(() => engine.stop())).toMatchObject({ message });
      expect(crashes).toHaveLength(1);
    },
  );

  it('takes a close that fails for a crash, for its room is lost', async () => {
    const engine = await start(`failed('internal')`);
    engine.close('s');
    expect((await thrownBy(() => engine.step(input()))).code).toBe('stage_unavailable');
    expect(crashes).toHaveLength(1);
  });

  describe('with sequences that are kept to grammars', () => {
    /** Tells what it was asked in the numbers of cached tokens: each `open` how many requests came before it. */
    const counting = `
      globalThis.asked ??= [];
      if (request.type === 'close' && !asked.includes('open ' + request.sequence)) failed('internal');
      else done({ cached: asked.length, result: { sampled: asked } });
      asked.push(request.type + ' ' + (request.sequence ?? request.trie?.rows ?? ''));`;
    const kept: SamplerSpec = {
      params: { ...greedy, constraint: constraintOf('{}', []) },
      prompt: [],
      sampled: [],
      score: null,
    };
    const asked = async (engine: EngineClient) =>
      ((await engine.step(input())).result as { sampled: unknown }).sampled;

    it('loads the vocabulary for the first of them, once, and lets others go on meanwhile', async () => {
      const { promise, resolve } = withResolvers<TokenTrie>();
      let loads = 0;
      const engine = await start(counting, () => ((loads += 1), promise));
      await engine.open('free', 1, null);
      expect(loads).toBe(0);
      const opened = ['a', 'b'].map((name) => engine.open(name, 1, kept));
      expect(await asked(engine)).toEqual(['open free']);
      engine.close('b');
      engine.close('free');
      const trie = smallTrie();
      const { rows } = trie;
      resolve(trie);
      await Promise.all(opened);
      await engine.open('c', 1, kept);
      engine.close('c');
      const all = [
        'open free',
        'step ',
        `vocabulary ${rows}`,
        'open a',
        'open b',
        'close b',
        'close free',
        'open c',
        'close c',
      ];
      expect(await asked(engine)).toEqual(all);
      expect(loads).toBe(1);
      // It was handed over, not copied.
      expect(trie.byte.length).toBe(0);
      expect(crashes).toEqual([]);
    });

    it('refuses them where it cannot be loaded, and tries again', async () => {
      let loads = 0;
      const engine = await start(counting, async () => {
        loads += 1;
        await Promise.resolve();
        if (loads === 1) throw new ServingError('internal', 'no file');
        return smallTrie();
      });
      const refused = await Promise.all(['a', 'b'].map((name) => thrownBy(() => engine.open(name, 1, kept))));
      expect(refused).toMatchObject([{ message: 'no file' }, { message: 'no file' }]);
      await engine.open('c', 1, kept);
      expect(loads).toBe(2);
    });

    it('asks the worker at once where there is no vocabulary: it says no', async () => {
      const engine = await start(counting);
      expect(await engine.open('a', 1, kept)).toBe(0);
    });
  });

  it.each([
    [
      'says why',
      `port.postMessage({ type: 'failed', error: { code: 'shards_invalid', message: 'm' } })`,
      'shards_invalid',
    ],
    ['throws', `throw new Error('no')`, 'internal'],
    ['ends', 'process.exit(1)', 'internal'],
  ])('does not start when the worker %s', async (_, body, code) => {
    crashes = [];
    worker = new Worker(`const { parentPort: port } = require('node:worker_threads'); ${body}`, {
      eval: true,
    });
    const refused = await thrownBy(() =>
      EngineClient.start(worker, { onCrash: (reason) => crashes.push(reason) }),
    );
    expect(refused.code).toBe(code);
    expect(crashes).toEqual([]);
  });
});
