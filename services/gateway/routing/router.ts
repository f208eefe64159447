import { ServingError } from '../../lib/errors/serving-error.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';

/** What the router looks at of a link to a replica. */
export type Candidate = Pick<CallerLink, 'appId' | 'replica' | 'draining' | 'status'>;

/** Rows of a typical answer: what a replica computes more, before a new sequence is done, for each that it runs. */
const ANSWER_ROWS = 256;

/**
 * What a new sequence would have to wait for at a replica, in rows that it computes: one in every step for each
 * sequence that it runs, less those of the prompt that it holds already. So a replica that has a prefix of 1,000
 * tokens is preferred until it runs four sequences more than another.
 */
export const loadOf = (running: number, cachedTokens: number): number => running * ANSWER_ROWS - cachedTokens;

/**
 * Picks one replica of each stage: the one with the least load, then the one with the most free KV room. Only
 * replicas that hold a link to the one chosen next can be chosen before it, so the search goes through the
 * stages depth first, best candidates first; a dead end is entered once.
 *
 * `stages` holds the candidates of each stage, stage 0 first. Throws `stage_unavailable` with the first stage
 * at which every way ended.
 */
export function pickRoute<Link extends Candidate>(
  stages: readonly (readonly Link[])[],
  load: (link: Link) => number,
): Link[] {
  const candidates = stages.map((links) => links.filter(({ draining }) => !draining).sort(byLoad(load)));
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

/** Those replicas of each stage that some route goes through: that do not drain, and have the links it takes. */
export const onSomeRoute = <Link extends Candidate>(stages: readonly (readonly Link[])[]): Link[][] =>
  stages.map((links, index) => links.filter((link) => hasRoute(stages.with(index, [link]))));

/** Whether there is any route. */
export function hasRoute(stages: readonly (readonly Candidate[])[]): boolean {
  try {
    return pickRoute(stages, () => 0).length > 0;
  } catch {
    return false;
  }
}

const byLoad =
  <Link extends Candidate>(load: (link: Link) => number) =>
  (a: Link, b: Link): number =>
    load(a) - load(b) || usedShare(a) - usedShare(b);

const usedShare = ({ status }: Candidate): number => status.kvUsed / Math.max(1, status.kvCapacity);
