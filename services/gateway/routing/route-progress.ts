import { ServingError } from '../../lib/errors/serving-error.js';
import type { Candidate } from './router.js';

/** What is remembered of a replica. */
interface Seen {
  readonly status: Candidate['status'];
  readonly steps: number;
  /** When it was first seen to have computed so many steps, ms. */
  readonly since: number;
}

/** A sequence that has heard nothing for so many times the limit is lost, whatever its replicas compute. */
const LONGEST_SILENCE = 30;

/**
 * Tells a step that does not end from work that takes its time. A sequence that waits for others, or whose prompt is
 * long, hears nothing for a while, and is well as long as the replicas of its route get on; asking for it again
 * elsewhere would only add to the work. By what replicas tell with every pong.
 */
export class RouteProgress<Link extends Candidate> {
  readonly #limitMs: number;
  readonly #seen = new WeakMap<Link, Seen>();

  /** How long a step may take, ms. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** To be called now and then with all replicas. */
  observe(links: Iterable<Link>, now: number): void {
    for (const link of links) {
      const steps = (link.status.prefill?.steps ?? 0) + (link.status.decode?.steps ?? 0);
      const before = this.#seen.get(link);
      const since = before?.steps === steps ? before.since : now;
      this.#seen.set(link, { status: link.status, steps, since });
    }
  }

  /** Why a sequence that has waited since then for an answer of its route will get none; null while it may. */
  problem(route: readonly Link[], waitingSince: number, now: number): ServingError | null {
    const limit = this.#limitMs;
    if (now - waitingSince < limit) return null;
    const seconds = limit / 1_000;
    const stuck = route.find(({ status }) => status.stepSeconds >= seconds);
    if (stuck !== undefined) {
      const { appId, replica } = stuck;
      const problem = `a step of ${appId}/${replica} has not ended within ${seconds} s`;
      return new ServingError('stream_broken', problem, { replica });
    }
    const isComputing = route.some(({ status }) => status.stepSeconds > 0);
    const movedAt = Math.max(waitingSince, ...route.map((link) => this.#seen.get(link)?.since ?? now));
    if (!isComputing && now - movedAt >= limit)
      return new ServingError('stream_broken', `nothing was computed for it within ${seconds} s`);
    if (now - waitingSince >= LONGEST_SILENCE * limit)
      return new ServingError('stream_broken', `no answer within ${LONGEST_SILENCE * seconds} s`);
    return null;
  }
}
