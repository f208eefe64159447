import { sum } from '../../bench/measure/statistics.js';
import type { Observation, PodView, Trial, Used } from '../types.js';

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
  const views = new Map<string, PodView[]>();
  for (const { pods } of observations) {
    for (const pod of pods) views.set(pod.name, [...(views.get(pod.name) ?? []), pod]);
  }
  const atStart = new Set(observations[0]?.pods.map(({ name }) => name));
  const grown = (of: (pod: PodView) => Used | null): number =>
    sum(
      [...views].map(([name, pods]) =>
        growth(
          pods.flatMap((pod) => of(pod) ?? []),
          atStart.has(name),
        ),
      ),
    );
  const sidecarCpuSeconds = grown(({ sidecar }) => sidecar);
  return {
    cpuSeconds: grown(({ service }) => service) + sidecarCpuSeconds,
    sidecarCpuSeconds,
    heldCpuSeconds: integral(observations, limitsHeld),
    memoryByteSeconds: integral(observations, ({ pods }) => sum(pods.map(memoryOf))),
  };
}

/** CPU limits of all pods at one moment, processors. */
export const limitsHeld = ({ pods }: Observation): number => sum(pods.map(({ cpuLimit }) => cpuLimit));

/** Costs are compared by what they bring: output tokens, in thousands. */
export function thousandTokens({ records }: Pick<Trial, 'records'>): number {
  return sum(records.map(({ tokens }) => tokens.length)) / 1000;
}

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

function growth(readings: readonly Used[], wasThere: boolean): number {
  const last = readings.at(-1)?.cpuSeconds ?? 0;
  return last - (wasThere ? (readings[0]?.cpuSeconds ?? 0) : 0);
}

const memoryOf = ({ service, sidecar }: PodView): number =>
  (service?.rssBytes ?? 0) + (sidecar?.rssBytes ?? 0);
