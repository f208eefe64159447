import { parentPort, workerData } from 'node:worker_threads';
import type { Engine, StepTime } from '../../lib/engine/types.js';
import { logitRowsOf } from '../../lib/model/step.js';
import { claimRealTime } from '../timed/real-time.js';
import type {
  DraftedInput,
  EngineReply,
  EngineRequest,
  EngineWorkerData,
  Fault,
  StepResult,
} from './engine-messages.js';
import { failureOf, Head } from './head.js';
import { IdleCollection } from './idle-collection.js';

/**
 * The worker thread that computes: the engine and, in the last stage, the head. It answers requests one by one
 * in their order, so that nothing of this ever runs on the event loop that answers sidecars and probes.
 */
const port = parentPort!;
const data = workerData as EngineWorkerData;
const idle = new Int32Array(new SharedArrayBuffer(4));

/** What computes. */
interface Computer {
  readonly engine: Engine;
  readonly head: Head;
}

async function step({ engine, head }: Computer, input: DraftedInput): Promise<StepResult> {
  const wanting = input.items.filter((item) => logitRowsOf(item) > 0);
  // To the engine a row that is scored is a row of logits like another.
  const items = input.items.map((item) => (item.score ? { ...item, logits: logitRowsOf(item) } : item));
  const output = await engine.step({ ...input, items, bestOnly: head.needsOnlyBest(wanting) });
  return output.hidden === undefined ? { sampled: head.read(wanting, output) } : { hidden: output.hidden };
}

/** Holds the engine's thread as a slower processor would, but uses none. */
function delayStep({ perStep, perSequence }: Fault, sequences: number): void {
  const milliseconds = perStep + perSequence * sequences;
  if (milliseconds > 0) Atomics.wait(idle, 0, 0, milliseconds);
}

async function answer(computer: Computer, request: EngineRequest): Promise<EngineReply> {
  const { engine, head } = computer;
  const started = performance.now();
  let result: StepResult | null = null;
  let cached = 0;
  let time: StepTime | undefined;
  switch (request.type) {
    case 'open':
      cached = engine.open(request.sequence, request.maxLength, request.prefix);
      if (request.sampler !== null) head.open(request.sequence, request.sampler);
      break;
    case 'close':
      engine.close(request.sequence, request.prefix);
      head.close(request.sequence);
      break;
    case 'step':
      result = await step(computer, request.input);
      delayStep(data.fault, request.input.items.length);
      time = engine.endStep?.(request.ready);
      break;
    case 'vocabulary':
      head.learn(request.trie);
      break;
    case 'stop':
      await engine.dispose();
      break;
  }
  const { seconds, overshoot } = time ?? { seconds: (performance.now() - started) / 1000, overshoot: null };
  return { type: 'done', kv: engine.kv, seconds, overshoot, result, cached };
}

function post(reply: EngineReply): void {
  const hidden =
    reply.type === 'done' && reply.result !== null && 'hidden' in reply.result
      ? [reply.result.hidden.buffer as ArrayBuffer]
      : [];
  port.postMessage(reply, hidden);
}

/** Only the one that is wanted is loaded: ONNX Runtime alone takes more memory than a stage that computes nothing. */
async function createEngine(): Promise<Engine> {
  if (data.engine === 'timed')
    return (await import('../../lib/engine/timed/timed-engine.js')).createTimedEngine(data);
  return (await import('../../lib/engine/onnx-engine.js')).createOnnxEngine(data);
}

/** Only a device that is emulated needs no processor to be on time: what computes has to share them. */
function deviceClock(): string | null {
  if (data.engine !== 'timed') return null;
  const refusal = claimRealTime();
  return refusal === null ? 'real time' : `time shared: ${refusal}`;
}

try {
  const computer = { engine: await createEngine(), head: new Head() };
  const { engine } = computer;
  // Not in real time: V8 sweeps with a thread that shares its processor's time, and until that has had its turn this one goes round.
  const collection = data.engine === 'timed' ? null : new IdleCollection(() => engine.kv.used === 0);
  let turn = Promise.resolve();
  port.on('message', (request: EngineRequest) => {
    turn = turn
      .then(() => answer(computer, request))
      .catch((reason: unknown): EngineReply => ({ type: 'failed', error: failureOf(reason) }))
      .then(post);
    if (request.type === 'close') turn = turn.then(() => collection?.ended());
    if (request.type === 'stop') turn = turn.then(() => port.close());
  });
  post({ type: 'ready', kv: engine.kv, clock: deviceClock() });
} catch (reason) {
  post({ type: 'failed', error: failureOf(reason) });
  port.close();
}
