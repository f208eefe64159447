import { parentPort, workerData } from 'node:worker_threads';
import { createOnnxEngine } from '../lib/engine/onnx-engine.js';
import type { Engine, StepInput } from '../lib/engine/types.js';
import { ServingError } from '../lib/errors/serving-error.js';
import { createSampler, type Sampler } from '../lib/sampling/sampler.js';
import type {
  EngineFailure,
  EngineReply,
  EngineRequest,
  EngineWorkerData,
  StepResult,
} from './engine-messages.js';

/**
 * The worker thread that computes: the engine and, in the head, the samplers. It answers requests one by one
 * in their order, so that nothing of this ever runs on the event loop that answers sidecars and probes.
 */
const port = parentPort!;
const data = workerData as EngineWorkerData;
const samplers = new Map<string, Sampler>();

function failure(reason: unknown): EngineFailure {
  const { code, message } = ServingError.from(reason);
  return { code, message };
}

function sample(sequence: string, logits: Float32Array): number | EngineFailure {
  try {
    return samplers.get(sequence)!.sample(logits);
  } catch (reason) {
    return failure(reason);
  }
}

async function step(engine: Engine, input: StepInput): Promise<StepResult> {
  const { hidden, logits } = await engine.step(input);
  if (hidden !== undefined) return { hidden };
  const wanting = input.items.filter((item) => item.wantLogits);
  const size = wanting.length === 0 ? 0 : logits!.length / wanting.length;
  return {
    tokens: wanting.map(({ sequence }, at) => sample(sequence, logits!.subarray(at * size, (at + 1) * size))),
  };
}

async function answer(engine: Engine, request: EngineRequest): Promise<EngineReply> {
  const started = performance.now();
  let result: StepResult | null = null;
  switch (request.type) {
    case 'open':
      engine.open(request.sequence, request.maxLength);
      if (request.sampler !== null) {
        samplers.set(request.sequence, createSampler(request.sampler.params, request.sampler.prompt));
      }
      break;
    case 'close':
      engine.close(request.sequence);
      samplers.delete(request.sequence);
      break;
    case 'step':
      result = await step(engine, request.input);
      break;
    case 'stop':
      await engine.dispose();
      break;
  }
  return { type: 'done', kv: engine.kv, seconds: (performance.now() - started) / 1000, result };
}

function post(reply: EngineReply): void {
  const hidden =
    reply.type === 'done' && reply.result !== null && 'hidden' in reply.result
      ? [reply.result.hidden.buffer as ArrayBuffer]
      : [];
  port.postMessage(reply, hidden);
}

try {
  const engine = await createOnnxEngine(data);
  let turn = Promise.resolve();
  port.on('message', (request: EngineRequest) => {
    turn = turn
      .then(() => answer(engine, request))
      .catch((reason: unknown): EngineReply => ({ type: 'failed', error: failure(reason) }))
      .then(post);
    if (request.type === 'stop') turn = turn.then(() => port.close());
  });
  post({ type: 'ready', kv: engine.kv });
} catch (reason) {
  post({ type: 'failed', error: failure(reason) });
  port.close();
}
