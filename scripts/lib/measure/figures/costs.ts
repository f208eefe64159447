import type { Observation, PodLife, PodView, Trial, Used } from '../experiment/types.js';
import type { PlannedRequest } from '../types.js';
import { outputTokensOf, promptTokensOf } from './requests.js';
import { spread, sum } from './statistics.js';

/** What a trial used, from its first observation to its last; services, sidecars and gateway together. */
export interface Costs {
  readonly cpuSeconds: number;
  /** Of `cpuSeconds`, the sidecars'. */
  readonly sidecarCpuSeconds: number;
  /** CPU limits of the pods, integrated over time: what is held for them, used or not. */
  readonly heldCpuSeconds: number;
  /** Resident memory, integrated over time. */
  readonly memoryByteSeconds: number;
}

/**
 * A pod that was there at the start counts from its first reading; one that came later from its birth, for its start
 * is a cost of scaling.
 */
export function costsOf(observations: readonly Observation[]): Costs {
  const names = new Set(observations.flatMap(({ pods }) => pods.map(({ name }) => name)));
  const atStart = new Set(observations[0]?.pods.map(({ name }) => name));
  const used = (name: string, of: (pod: PodView) => Used | null): number => {
    const readings = observations.flatMap(({ pods }) =>
      pods.flatMap((pod) => (pod.name === name ? (of(pod) ?? []) : [])),
    );
    const before = atStart.has(name) ? (readings[0]?.cpuSeconds ?? 0) : 0;
    return (readings.at(-1)?.cpuSeconds ?? 0) - before;
  };
  const sidecarCpuSeconds = sum([...names].map((name) => used(name, ({ sidecar }) => sidecar)));
  return {
    cpuSeconds: sum([...names].map((name) => used(name, ({ service }) => service))) + sidecarCpuSeconds,
    sidecarCpuSeconds,
    heldCpuSeconds: integral(observations, limitsHeld),
    memoryByteSeconds: integral(observations, ({ pods }) => sum(pods.map(memoryOf))),
  };
}

/** CPU limits of all pods at one moment, processors. */
export const limitsHeld = ({ pods }: Observation): number => sum(pods.map(({ cpuLimit }) => cpuLimit));

const memoryOf = ({ service, sidecar }: PodView): number =>
  (service?.rssBytes ?? 0) + (sidecar?.rssBytes ?? 0);

/** Each value holds until the next observation: of the time after the last one nothing is known. */
export function integral(
  observations: readonly Observation[],
  valueOf: (observation: Observation) => number,
): number {
  return sum(
    observations.slice(1).map((next, index) => {
      const before = observations[index]!;
      return (valueOf(before) * (next.at - before.at)) / 1000;
    }),
  );
}

/** What a token costs one replica of a stage, seconds of its engine. */
export interface TokenCost {
  readonly app: string;
  readonly prompt: number;
  readonly output: number;
}

/**
 * From a trial in which every stage has one replica and all work it can get: what its engine did for prompts and for
 * outputs, each divided by the tokens that came of it. Time that the kernel held the engine back to keep its CPU limit
 * counts, for a replica cannot do better.
 */
export function tokenCosts(trial: Pick<Trial, 'records' | 'observations'>): TokenCost[] {
  const [first, last] = [trial.observations[0], trial.observations.at(-1)];
  return (last?.pods ?? []).flatMap(({ name, app, counters }) => {
    const before = first?.pods.find((pod) => pod.name === name)?.counters;
    if (counters === null || !before) return [];
    const prefill = counters.prefillStepSeconds - before.prefillStepSeconds;
    const decode = counters.decodeStepSeconds - before.decodeStepSeconds;
    return [{ app, prompt: prefill / promptTokensOf(trial), output: decode / outputTokensOf(trial) }];
  });
}

/** Seconds of a stage's engine that requests ask for. */
export const workOf = (requests: readonly PlannedRequest[], { prompt, output }: TokenCost): number =>
  sum(requests.map(({ promptTokens, outputTokens }) => promptTokens * prompt + outputTokens * output));

/**
 * How long pods of an app take from nothing to ready, milliseconds over all that were seen to become ready, in several
 * trials of an arm; a pod that lived through more than one counts once.
 */
export function coldStarts(trials: readonly Pick<Trial, 'lives'>[]) {
  const lives = new Map<string, PodLife>();
  for (const life of trials.flatMap((trial) => trial.lives)) lives.set(life.name, life);
  const apps = [...new Set([...lives.values()].map(({ app }) => app))].sort();
  return apps.map((app) => {
    const own = [...lives.values()].filter((life) => life.app === app && life.ready !== null);
    return {
      app,
      pods: own.length,
      /** From its creation to the start of the service's container: scheduling, network, sidecar. */
      toStarted: spread(own.flatMap(({ created, started }) => (started === null ? [] : [started - created]))),
      /** From there to ready: the process, its weights, its links. */
      toReady: spread(own.flatMap(({ started, ready }) => (started === null ? [] : [ready! - started]))),
      whole: spread(own.map(({ created, ready }) => ready! - created)),
    };
  });
}
