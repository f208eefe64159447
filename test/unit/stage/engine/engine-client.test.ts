import { Worker } from 'node:worker_threads';
import type { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { EngineClient } from '../../../../services/stage/engine/engine-client.js';
import { thrownBy } from '../../../support/thrown-by.js';

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
const input = () => ({ items: [], tokens: Int32Array.of(1) });

describe('the engine client', () => {
  let worker: Worker;
  let crashes: ServingError[];
  const start = (answer: string): Promise<EngineClient> => {
    crashes = [];
    worker = workerThat(answer);
    return EngineClient.start(worker, (reason) => crashes.push(reason));
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
    const refused = await thrownBy(() => EngineClient.start(worker, (reason) => crashes.push(reason)));
    expect(refused.code).toBe(code);
    expect(crashes).toEqual([]);
  });
});
