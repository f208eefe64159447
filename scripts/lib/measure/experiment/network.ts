import { closedSchedule } from '../drivers.js';
import type { PlannedRequest } from '../types.js';
import type { Phase } from '../figures/stage-counters.js';
import { networkArm } from './arms.js';
import { type PlannedTrial, runTrials, type TrialOptions } from './run-trials.js';
import type { Arm, Plan, Trial } from './types.js';

const MESHES: readonly Arm['mesh'][] = ['direct', 'dapr'];
/** Milliseconds, of each message from pod to pod. */
export const DELAYS = [0, 1, 5, 20];

/** Prefill and decode apart: requests of one output token each, and requests of hardly any prompt. */
const PARTS: readonly {
  readonly phase: Phase;
  readonly request: PlannedRequest;
  readonly clients: number;
}[] = [
  { phase: 'prefill', request: { kind: 'prefill', promptTokens: 256, outputTokens: 1 }, clients: 1 },
  { phase: 'decode', request: { kind: 'decode', promptTokens: 8, outputTokens: 64 }, clients: 4 },
];

/** For the reader. */
export const NETWORK_LOADS =
  'Prefill is one client with prompts of 256 tokens and one output token; decode is four clients with prompts of 8 ' +
  'tokens and 64 output tokens.';

/** What one point of the comparison is. */
export interface NetworkTrial {
  readonly mesh: Arm['mesh'];
  readonly delayMs: number;
  readonly phase: Phase;
  readonly trial: Trial;
}

/** The same requests over each mesh, with each delay added between the pods. */
export async function measureNetwork(
  { delays, requests }: { readonly delays: readonly number[]; readonly requests: number },
  plan: Plan,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<NetworkTrial[]> {
  const points = delays.flatMap((delayMs) => PARTS.map((part) => ({ ...part, delayMs })));
  const planned = points.map(({ phase, request, clients, delayMs }): PlannedTrial => ({
    name: `${phase}-${delayMs}`,
    schedule: closedSchedule(clients, requests, request),
    delayMs,
  }));
  const results: NetworkTrial[] = [];
  for (const mesh of MESHES) {
    const trials = await runTrials(networkArm(mesh, plan), planned, options, signal);
    results.push(...trials.map((trial, index) => ({ mesh, trial, ...points[index]! })));
  }
  return results.map(({ mesh, delayMs, phase, trial }) => ({ mesh, delayMs, phase, trial }));
}
