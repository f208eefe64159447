import { stageId } from '../../lib/config/app-id.js';
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

/** So much more load is as good as none: a typical answer. */
const AS_GOOD = ANSWER_ROWS;

/**
 * Picks one replica of each stage: the one with the least load, then the one with the most free KV room. Of those that have
 * hardly more, it prefers the one whose sequences come the same way: who meets in one stage then meets in the next, and is
 * computed together there, too. Only replicas that hold a link to the one chosen next can be chosen before it, so the search
 * goes through the stages depth first, best candidates first; a dead end is entered once.
 *
 * `stages` holds the candidates of each stage, stage 0 first; `running` the routes of what runs. Throws `stage_unavailable`
 * with the first stage at which every way ended.
 */
export function pickRoute<Link extends Candidate>(
  stages: readonly (readonly Link[])[],
  load: (link: Link) => number,
  running: readonly (readonly Link[])[] = [],
  meshName = '',
): Link[] {
  const candidates = stages.map((links, index) => {
    const counts = countsAt(running, index);
    return ranked(
      links.filter(({ draining }) => !draining),
      load,
    ).map((each) => ({ ...each, running: counts.get(each.link) ?? 0 }));
  });
  const deadEnds = new Set<Link>();
  let deepest = 0;
  /** `along`: of the running routes those that came the same way. */
  const search = (index: number, before: Link | null, along: typeof running): Link[] | null => {
    if (index === candidates.length) return [];
    deepest = Math.max(deepest, index);
    for (const link of byWay(candidates[index]!, countsAt(along, index))) {
      if (deadEnds.has(link) || (before !== null && !before.status.nextReplicas.includes(link.replica)))
        continue;
      const rest = search(
        index + 1,
        link,
        along.filter((route) => route[index] === link),
      );
      if (rest !== null) return [link, ...rest];
      deadEnds.add(link);
    }
    return null;
  };
  const route = search(0, null, running);
  if (route !== null) return route;
  throw new ServingError('stage_unavailable', `no replica of ${stageId(meshName, deepest)} can be reached`);
}

interface Ranked<Link> {
  readonly link: Link;
  readonly load: number;
  /** Sequences. */
  readonly running: number;
}

/** Of those with hardly more load than the least first those of whose sequences the largest part came the same way. */
function byWay<Link>(candidates: readonly Ranked<Link>[], along: ReadonlyMap<Link, number>): Link[] {
  const most = (candidates[0]?.load ?? 0) + AS_GOOD;
  const others = ({ link, load, running }: Ranked<Link>): number => {
    if (load > most) return 2;
    return running === 0 ? 0 : 1 - (along.get(link) ?? 0) / running;
  };
  return candidates
    .map((each) => ({ link: each.link, others: others(each) }))
    .sort((one, other) => one.others - other.others)
    .map(({ link }) => link);
}

function countsAt<Link>(routes: readonly (readonly Link[])[], index: number): Map<Link, number> {
  const counts = new Map<Link, number>();
  for (const route of routes) {
    const link = route[index];
    if (link !== undefined) counts.set(link, (counts.get(link) ?? 0) + 1);
  }
  return counts;
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
const ranked = <Link extends Candidate>(links: readonly Link[], load: (link: Link) => number) =>
  links
    .map((link) => ({ link, load: load(link), used: usedShare(link) }))
    .sort((one, other) => one.load - other.load || one.used - other.used);

const usedShare = ({ status }: Candidate): number => status.kvUsed / Math.max(1, status.kvCapacity);
