/**
 * A closed queueing network: groups of sequences go round from stage to stage, as a decode round does
 * (docs/queueing-model.md). Times in seconds.
 */
export interface ClosedNetwork {
  /** Groups that circulate; need not be whole. */
  readonly groups: number;
  readonly stations: readonly Station[];
  /** Where groups never wait for each other: hops, the gateway. */
  readonly delay: number;
  /** Processors that several stations may share. */
  readonly machines: readonly Machine[];
}

export interface Station {
  /** Of one group. */
  readonly service: number;
  /** Groups that it can serve at once. */
  readonly servers: number;
}

export interface Machine {
  /** Processor time of a round of one group. */
  readonly demand: number;
  readonly processors: number;
}

const MAX_ITERATIONS = 10_000;
const CLOSE_ENOUGH = 1e-9;

/**
 * Rounds of a group per second. Approximate mean value analysis: an arriving group finds what is there on average
 * with one group less, for which Schweitzer takes (G-1)/G of what is there with all (P. Schweitzer, 1979). A station
 * of several servers counts as one that is so many times as fast, and a delay for the rest (A. Seidmann and others,
 * 1987). The processors of a machine are a bound of their own: work that waits for nothing else can not pass it.
 */
export function roundsPerSecond({ groups, stations, delay, machines }: ClosedNetwork): number {
  const single = stations.map(({ service, servers }) => service / servers);
  const fixed = delay + stations.reduce((sum, { service }, k) => sum + service - single[k]!, 0);
  const others = Math.max(0, groups - 1) / Math.max(groups, CLOSE_ENOUGH);
  let lengths = single.map(() => groups / Math.max(1, single.length));
  let rate = 0;
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const residence = single.map((service, k) => service * (1 + others * lengths[k]!));
    const cycle = fixed + residence.reduce((sum, time) => sum + time, 0);
    const next = groups / Math.max(cycle, CLOSE_ENOUGH);
    lengths = residence.map((time) => next * time);
    if (Math.abs(next - rate) <= CLOSE_ENOUGH * next) break;
    rate = next;
  }
  const bounds = machines.map(({ demand, processors }) => processors / Math.max(demand, CLOSE_ENOUGH));
  return Math.min(rate, ...bounds);
}
