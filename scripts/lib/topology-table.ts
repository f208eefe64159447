import type { Topology } from '../../services/gateway/generation/backend.js';
import { columns } from './columns.js';

const MEBIBYTE = 1 << 20;

/** The stages and their replicas, a line each, in columns. */
export function topologyTable({ stages }: Topology): string {
  const rows = stages.flatMap(({ app_id, start, end, head, replicas }) =>
    replicas.map((replica) => [
      app_id,
      `${start}-${end - 1}${head ? ' + head' : ''}`,
      replica.id,
      String(replica.pid),
      replica.state,
      String(replica.kv_capacity),
      (replica.rss_bytes / MEBIBYTE).toFixed(0),
    ]),
  );
  return columns([['stage', 'layers', 'replica', 'pid', 'state', 'KV tokens', 'RSS MiB'], ...rows]);
}
