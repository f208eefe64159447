import { ServingError } from '../lib/errors/serving-error.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';

/** What the router looks at of a link to a replica. */
export type Candidate = Pick<CallerLink, 'appId' | 'replica' | 'draining' | 'status'>;

/**
 * Picks one replica of each stage: the one that runs the fewest of this gateway's sequences, then the one
 * with the most free KV room. Only replicas that hold a link to the one chosen next can be chosen before it,
 * so the search goes through the stages depth first, best candidates first; a dead end is entered once.
 *
 * `stages` holds the candidates of each stage, stage 0 first. Throws `stage_unavailable` with the first stage
 * at which every way ended.
 */
export function pickRoute<Link extends Candidate>(
  stages: readonly (readonly Link[])[],
  running: (link: Link) => number,
): Link[] {
  const candidates = stages.map((links) => links.filter(({ draining }) => !draining).sort(byLoad(running)));
  const deadEnds = new Set<Link>();
  let deepest = 0;
  const search = (index: number, before: Link | null): Link[] | null => {
    if (index === candidates.length) return [];
    deepest = Math.max(deepest, index);
    for (const link of candidates[index]!) {
      if (deadEnds.has(link) || (before !== null && !before.status.nextReplicas.includes(link.replica)))
        continue;
      const rest = search(index + 1, link);
      if (rest !== null) return [link, ...rest];
      deadEnds.add(link);
    }
    return null;
  };
  const route = search(0, null);
  if (route !== null) return route;
  throw new ServingError('stage_unavailable', `no replica of stage-${deepest} can be reached`);
}

const byLoad =
  <Link extends Candidate>(running: (link: Link) => number) =>
  (a: Link, b: Link): number =>
    running(a) - running(b) || usedShare(a) - usedShare(b);

const usedShare = ({ status }: Candidate): number => status.kvUsed / Math.max(1, status.kvCapacity);
