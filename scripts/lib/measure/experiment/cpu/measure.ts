import { closedSchedule } from '../../drivers.js';
import { tokenCosts, workOf, type TokenCost } from '../../figures/costs.js';
import { throughputOf } from '../../figures/requests.js';
import type { Phase } from '../../figures/stage-counters.js';
import type { PlannedRequest } from '../../types.js';
import { ARM_NAMES, armOf, networkArm, singleArms, type ArmName } from './arms.js';
import { openLoad, REQUEST, type LoadName, type OpenLoad } from './loads.js';
import { runTrials, type PlannedTrial, type TrialOptions } from '../run-trials.js';
import type { Arm } from '../arm.js';
import type { Plan, Trial } from '../types.js';

/** What all arms gave, and what they are judged by. */
export interface ArmResults {
  readonly arms: readonly Arm[];
  readonly loads: readonly OpenLoad[];
  readonly trials: readonly Trial[];
  /** What one replica of each stage can carry, of the unsplit model and of the split. */
  readonly single: { readonly a: Trial; readonly c: Trial };
  /** Requests a second at ×1. */
  readonly rate: number;
}

/** Of one replica's capacity, what is asked for at ×1: at ×4 it is twice what it can. */
const LOW_SHARE = 0.5;

interface WhatToMeasure {
  readonly arms: readonly ArmName[];
  readonly loads: readonly LoadName[];
  /** Null takes half of what one replica of each stage carries. */
  readonly rate: number | null;
  /** What measures one replica: as many clients as keep its batches full. */
  readonly capacity: { readonly clients: number; readonly requests: number };
}

/** Measures first what one replica can carry, from which the load follows, and then every arm under every load. */
export async function measureArms(
  { arms: names, loads: loadNames, rate: asked, capacity }: WhatToMeasure,
  plan: Plan,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<ArmResults> {
  const saturating = capacityTrial(capacity);
  const single = singleArms(plan);
  const [c] = (await runTrials(single.c, [saturating], options, signal)) as [Trial];
  const [a] = (await runTrials(single.a, [saturating], options, signal)) as [Trial];
  const rate = asked ?? (LOW_SHARE * throughputOf(c)) / REQUEST.outputTokens;
  options.onEvent(`×1 is ${rate.toFixed(2)} requests/s`);

  const loads = loadNames.map((name) => openLoad(name, { ...plan, rate }));
  const planned = loads.map(({ name, arrivals }): PlannedTrial => {
    return { name, schedule: { type: 'open', arrivals }, delayMs: null };
  });
  const work = tokenCosts(c).map((cost) => workOf([REQUEST], cost));
  const arms = ARM_NAMES.filter((name) => names.includes(name)).map((name) => armOf(name, plan, work));
  const trials: Trial[] = [];
  for (const arm of arms) trials.push(...(await runTrials(arm, planned, options, signal)));
  return { arms, loads, trials, single: { a, c }, rate };
}

const capacityTrial = ({ clients, requests }: WhatToMeasure['capacity']): PlannedTrial => ({
  name: 'capacity',
  schedule: closedSchedule(clients, requests, REQUEST),
  delayMs: null,
});

/** What a token costs one replica of each stage of an arm. */
export const costsOfArm = ({ split }: Arm, { single }: Pick<ArmResults, 'single'>): TokenCost[] =>
  tokenCosts(split.length === 0 ? single.a : single.c);

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
