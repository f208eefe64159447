import { NO_STEPS } from '../../lib/wire/step-totals.js';
import { stageId } from '../../lib/config/app-id.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';
import type { Identity } from '../../lib/mesh/identity.js';
import { ownsHead, type LayerRange } from '../../lib/model/split.js';
import type { ReplicaTotals } from '../report/totals-log.js';
import type { Topology } from './backend.js';

interface Served {
  readonly model: string;
  readonly meshName?: string;
  /** Null of one that computes. */
  readonly engine?: string | null;
  readonly identity: Identity;
  readonly ranges: readonly LayerRange[];
}

/** The stages and their replicas as the links to them, stage by stage, last told. */
export function topologyOf(
  { model, meshName = '', engine, identity, ranges }: Served,
  links: readonly (readonly CallerLink[])[],
): Topology {
  return {
    model,
    ...(typeof engine === 'string' && { engine }),
    precision: identity.plan.precision,
    split: identity.plan.split,
    stages: ranges.map((range, index) => ({
      app_id: stageId(meshName, index),
      start: range.start,
      end: range.end,
      head: ownsHead(range),
      replicas: links[index]!.map(({ replica, host, pid, draining, status }) => ({
        id: replica,
        host,
        pid,
        state: draining ? 'draining' : 'ready',
        sequences: status.sequences,
        kv_used: status.kvUsed,
        kv_capacity: status.kvCapacity,
        busy_ratio: status.busyRatio,
        rss_bytes: status.rssBytes,
      })),
    })),
  };
}

/** What passes a replica, as it last told. */
export interface ReplicaLink {
  readonly appId: string;
  readonly replica: string;
  /** Half of an idle round trip, seconds: from the gateway, and to the next stage; 0 in the head. */
  readonly fromGateway: number;
  readonly toNext: number;
  /** Payload of frames since it started, and how long that is, by its own clock. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly uptimeSeconds: number;
}

/** What passes the replica at the other end of a link, as it last told; no uptime before it has told any. */
export const linkOf = ({ appId, replica, status, hopSeconds }: CallerLink): ReplicaLink => ({
  appId,
  replica,
  fromGateway: hopSeconds,
  toNext: status.engine?.hopSeconds ?? 0,
  bytesIn: status.bytesIn,
  bytesOut: status.bytesOut,
  uptimeSeconds: status.decode?.uptimeSeconds ?? 0,
});

/** What a replica has done so far, as it last told. */
export const totalsOf = ({ appId, replica, status, hopSeconds }: CallerLink): ReplicaTotals => ({
  appId,
  replica,
  hops: { fromGateway: hopSeconds, toNext: status.engine?.hopSeconds ?? 0 },
  processors: { owner: status.engine?.owner ?? '', count: status.engine?.processors ?? 0 },
  prefill: status.prefill ?? NO_STEPS,
  decode: status.decode ?? NO_STEPS,
});
