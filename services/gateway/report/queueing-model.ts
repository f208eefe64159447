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
  /** Processors that several stations share. */
  readonly machines: readonly Machine[];
}

interface Station {
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

const ALMOST_NOTHING = 1e-9;

/**
 * Rounds of a group per second, by operational analysis (P. Denning and J. Buzen, 1978): no group comes round
 * faster than alone, and none of the stations and machines does more than work all the time. For steps of regular
 * length, as these are, the least of the bounds is what is reached.
 */
export function roundsPerSecond({ groups, stations, delay, machines }: ClosedNetwork): number {
  const alone = delay + stations.reduce((sum, { service }) => sum + service, 0);
  const capacities = [
    ...stations.map(({ service, servers }) => servers / Math.max(service, ALMOST_NOTHING)),
    ...machines.map(({ demand, processors }) => processors / Math.max(demand, ALMOST_NOTHING)),
  ];
  return Math.min(groups / Math.max(alone, ALMOST_NOTHING), ...capacities);
}
