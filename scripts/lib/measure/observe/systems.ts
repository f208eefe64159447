import { setTimeout as delay } from 'node:timers/promises';
import type { Report } from '../../../../services/gateway/report/report.js';
import { LocalSystem, type SystemOptions } from '../../local/local-system.js';
import { closedSchedule, createSend, runSchedule } from '../drivers.js';
import { failedOf, throughputOf } from '../figures/requests.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import { randomPrompts } from '../loads/prompts.js';

/** The delays that a fault puts into one stage. Milliseconds. */
interface SlowStage {
  readonly stage: string;
  readonly perStep: number;
  readonly perSequence?: number;
}

/** Runs some work on a system of its own, which is stopped and removed whatever comes of the work. */
export async function withSystem<Result>(
  plan: SystemOptions,
  slow: SlowStage | null,
  signal: AbortSignal,
  work: (system: LocalSystem) => Promise<Result>,
): Promise<Result> {
  const fault = slow !== null && {
    LAYERMESH_FAULT_STAGE: slow.stage,
    LAYERMESH_FAULT_STEP_MS: String(slow.perStep),
    LAYERMESH_FAULT_SEQUENCE_MS: String(slow.perSequence ?? 0),
  };
  const env = { LAYERMESH_SPECULATION: 'off', ...fault, ...plan.env };
  const system = await LocalSystem.start({ ...plan, env }, signal);
  try {
    return await work(system);
  } finally {
    await system.remove();
  }
}

/** Stages tell of their steps every two seconds, and it takes a moment. */
const STATUS_MS = 2_500;

/** The report of what ran in the last so many seconds, once all stages have told of it. */
export async function reportOf(system: LocalSystem, seconds: number, signal: AbortSignal): Promise<Report> {
  await delay(STATUS_MS, undefined, { signal });
  return system.gateway.report(Math.min(600, Math.ceil(seconds + STATUS_MS / 1000)));
}

/**
 * Puts a system under load as the benchmark does: so many clients, each with so many requests one after another.
 * Throws when a request fails: its numbers would mean nothing.
 */
export async function load(
  url: string,
  closed: Readonly<Record<'clients' | 'requests' | 'promptTokens' | 'outputTokens' | 'seed', number>>,
  signal: AbortSignal,
): Promise<{ tokensPerSecond: number; seconds: number }> {
  const { clients, requests, promptTokens, outputTokens, seed } = closed;
  const schedule = closedSchedule(clients, clients * requests, {
    kind: 'closed',
    promptTokens,
    outputTokens,
  });
  const started = performance.now();
  const send = createSend(new HttpTarget(url, openAiDialect('default')), randomPrompts(seed), signal);
  const records = await runSchedule(schedule, send, signal);
  const [failure] = failedOf({ records });
  if (failure !== undefined) throw new Error(`a request failed under load: ${failure.error!}`);
  return { tokensPerSecond: throughputOf({ records }), seconds: (performance.now() - started) / 1000 };
}
