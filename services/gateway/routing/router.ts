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
  const candidates = stages.map((links) =>
    ranked(
      links.filter(({ draining }) => !draining),
      load,
    ),
  );
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

/**
 * Those replicas of each stage that some route goes through: that do not drain, have a link to one from which the last
 * stage is reached, and are linked to by one that is reached from the first.
 */
export function onSomeRoute<Link extends Candidate>(stages: readonly (readonly Link[])[]): Link[][] {
  const left = stages.map((links) => links.filter(({ draining }) => !draining));
  for (let index = left.length - 2; index >= 0; index--) {
    const next = new Set(left[index + 1]!.map(({ replica }) => replica));
    left[index] = left[index]!.filter(({ status }) => status.nextReplicas.some((each) => next.has(each)));
  }
  for (let index = 1; index < left.length; index++) {
    const unreached = new Set(left[index]!.map(({ replica }) => replica));
    for (const { status } of left[index - 1]!) {
      if (unreached.size === 0) break;
      for (const replica of status.nextReplicas) unreached.delete(replica);
    }
    left[index] = left[index]!.filter(({ replica }) => !unreached.has(replica));
  }
  return left;
}

/** The least load first, and of as much the most free room. */
const ranked = <Link extends Candidate>(links: readonly Link[], load: (link: Link) => number): Link[] =>
  links
    .map((link) => ({ link, load: load(link), used: usedShare(link) }))
    .sort((one, other) => one.load - other.load || one.used - other.used)
    .map(({ link }) => link);

const usedShare = ({ status }: Candidate): number => status.kvUsed / Math.max(1, status.kvCapacity);
