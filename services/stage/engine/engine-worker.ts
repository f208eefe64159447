import { parentPort, workerData } from 'node:worker_threads';
import type { Engine, StepOutput, StepTime } from '../../lib/engine/types.js';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { Activations } from '../../lib/model/activations.js';
import type { DraftedItem } from '../../lib/model/step.js';
import { createSampler, type Sampler } from '../../lib/sampling/sampler.js';
import { verify } from '../../lib/sampling/sampler.js';
import type { StepTokens } from '../../lib/sampling/step-tokens.js';
import { claimRealTime } from '../timed/real-time.js';
import type {
  DraftedInput,
  EngineFailure,
  EngineReply,
  EngineRequest,
  EngineWorkerData,
  Fault,
  StepResult,
} from './engine-messages.js';

/**
 * The worker thread that computes: the engine and, in the head, the samplers. It answers requests one by one
 * in their order, so that nothing of this ever runs on the event loop that answers sidecars and probes.
 */
const port = parentPort!;
const data = workerData as EngineWorkerData;
const samplers = new Map<string, Sampler>();
const idle = new Int32Array(new SharedArrayBuffer(4));

function failure(reason: unknown): EngineFailure {
  const { code, message } = ServingError.from(reason);
  return { code, message };
}

/** `sampleRow` picks the token after one of the step's rows of logits, of which the item's begin at `first`. */
function sample(
  { sequence, draft }: DraftedItem,
  first: number,
  sampleRow: (sampler: Sampler, row: number) => number,
): StepTokens | EngineFailure {
  try {
    const sampler = samplers.get(sequence)!;
    return { tokens: verify(draft, (row) => sampleRow(sampler, first + row)) };
  } catch (reason) {
    return failure(reason);
  }
}

async function step(engine: Engine, input: DraftedInput): Promise<StepResult> {
  const wanting = input.items.filter((item) => item.logits > 0);
  const bestOnly = wanting.every(({ sequence }) => samplers.get(sequence)?.needsOnlyBest === true);
  const output = await engine.step({ ...input, bestOnly });
  if (output.hidden !== undefined) return { hidden: output.hidden };
  const rows = wanting.reduce((sum, item) => sum + item.logits, 0);
  const sampleRow = rowSampler(output, rows);
  let next = 0;
  return { sampled: wanting.map((item) => sample(item, (next += item.logits) - item.logits, sampleRow)) };
}

function rowSampler(
  { best, logits }: Exclude<StepOutput, { hidden: Activations }>,
  rows: number,
): (sampler: Sampler, row: number) => number {
  if (best !== undefined) return (sampler, row) => sampler.sampleBest(best.tokens[row]!, best.logits[row]!);
  const vocabulary = logits.length / rows;
  return (sampler, row) => sampler.sample(logits.subarray(row * vocabulary, (row + 1) * vocabulary));
}

/** Holds the engine's thread as a slower processor would, but uses none. */
function delayStep({ perStep, perSequence }: Fault, sequences: number): void {
  const milliseconds = perStep + perSequence * sequences;
  if (milliseconds > 0) Atomics.wait(idle, 0, 0, milliseconds);
}

async function answer(engine: Engine, request: EngineRequest): Promise<EngineReply> {
  const started = performance.now();
  let result: StepResult | null = null;
  let cached = 0;
  let time: StepTime | undefined;
  switch (request.type) {
    case 'open':
      cached = engine.open(request.sequence, request.maxLength, request.prefix);
      if (request.sampler !== null) {
        const { params, prompt, sampled } = request.sampler;
        samplers.set(request.sequence, createSampler(params, prompt, sampled));
      }
      break;
    case 'close':
      engine.close(request.sequence, request.prefix);
      samplers.delete(request.sequence);
      break;
    case 'step':
      result = await step(engine, request.input);
      delayStep(data.fault, request.input.items.length);
      time = engine.endStep?.(request.ready);
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
  const engine = await createEngine();
  let turn = Promise.resolve();
  port.on('message', (request: EngineRequest) => {
    turn = turn
      .then(() => answer(engine, request))
      .catch((reason: unknown): EngineReply => ({ type: 'failed', error: failure(reason) }))
      .then(post);
    if (request.type === 'stop') turn = turn.then(() => port.close());
  });
  post({ type: 'ready', kv: engine.kv, clock: deviceClock() });
} catch (reason) {
  post({ type: 'failed', error: failure(reason) });
  port.close();
}
