import type { ReplicaLink } from '../generation/mesh-view.js';

/** What passes one replica. */
export interface LinkState {
  readonly replica: string;
  /** Half of a round trip between idle processes: from the gateway, and to the next stage. */
  readonly from_gateway_ms: number;
  readonly to_next_ms: number;
  /** Payload of frames, between its last two statuses. */
  readonly bytes_in_per_second: number;
  readonly bytes_out_per_second: number;
}

interface Known {
  readonly last: ReplicaLink;
  readonly rateIn: number;
  readonly rateOut: number;
}

/** Makes rates of the sums that replicas tell. A status comes every few seconds, so the time is that of the replica's own clock. */
export class LinkRates {
  #known = new Map<string, Known>();

  /** The links of each stage, by its app-id. What is no longer there is forgotten. */
  look(links: readonly ReplicaLink[]): Map<string, LinkState[]> {
    const known = new Map<string, Known>();
    const states = new Map<string, LinkState[]>();
    for (const link of links) {
      const name = `${link.appId}/${link.replica}`;
      const now = rated(link, this.#known.get(name));
      known.set(name, now);
      const stage = states.get(link.appId) ?? [];
      states.set(link.appId, [...stage, stateOf(now)]);
    }
    this.#known = known;
    return states;
  }
}

function rated(link: ReplicaLink, before: Known | undefined): Known {
  const seconds = link.uptimeSeconds - (before?.last.uptimeSeconds ?? link.uptimeSeconds);
  if (before !== undefined && seconds === 0) return { ...before, last: link };
  // A process that has started again begins its sums anew.
  if (before === undefined || seconds < 0) return { last: link, rateIn: 0, rateOut: 0 };
  return {
    last: link,
    rateIn: (link.bytesIn - before.last.bytesIn) / seconds,
    rateOut: (link.bytesOut - before.last.bytesOut) / seconds,
  };
}

const stateOf = ({ last, rateIn, rateOut }: Known): LinkState => ({
  replica: last.replica,
  from_gateway_ms: toMs(last.fromGateway),
  to_next_ms: toMs(last.toNext),
  bytes_in_per_second: Math.round(rateIn),
  bytes_out_per_second: Math.round(rateOut),
});

const toMs = (seconds: number): number => Math.round(seconds * 1e6) / 1e3;
