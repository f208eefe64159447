import type { Report } from '../../../services/gateway/report/report.js';
import { LocalSystem, type SystemOptions } from '../local-system.js';
import { freePorts } from '../ports.js';
import { setTimeout as delay } from 'node:timers/promises';

/** The delays that a fault puts into one stage. Milliseconds. */
export interface SlowStage {
  readonly stage: string;
  readonly perStep: number;
  readonly perSequence?: number;
}

/** Runs some work on a system of its own, which is stopped and removed whatever comes of the work. */
export async function withSystem<Result>(
  plan: Omit<SystemOptions, 'port'>,
  slow: SlowStage | null,
  signal: AbortSignal,
  work: (system: LocalSystem) => Promise<Result>,
): Promise<Result> {
  const [port] = (await freePorts(1)) as [number];
  const fault: Record<string, string> =
    slow === null
      ? {}
      : {
          LAYERMESH_FAULT_STAGE: slow.stage,
          LAYERMESH_FAULT_STEP_MS: String(slow.perStep),
          LAYERMESH_FAULT_SEQUENCE_MS: String(slow.perSequence ?? 0),
        };
  const env = { LAYERMESH_SPECULATION: 'off', ...fault, ...plan.env };
  const system = await LocalSystem.start({ ...plan, port, env }, signal);
  try {
    return await work(system);
  } finally {
    await system.stop();
    await system.folder.remove();
  }
}

/** Stages tell of their steps every two seconds, and it takes a moment. */
const STATUS_MS = 2_500;

/** The report of what ran in the last so many seconds, once all stages have told of it. */
export async function reportOf(system: LocalSystem, seconds: number, signal: AbortSignal): Promise<Report> {
  await delay(STATUS_MS, undefined, { signal });
  return system.gateway.report(Math.min(600, Math.ceil(seconds + STATUS_MS / 1000)));
}
