import { Occupancy, type Occupant } from './occupancy.js';
import type { Candidate } from './router.js';

/** A running sequence, as the policy sees it. */
export interface Movable<Link> extends Occupant<Link> {
  /** Tokens that it has: what is computed again if it moves. */
  readonly length: number;
  /** Tokens that it may get to. */
  readonly maxLength: number;
  /** How long it has been on its route, ms. */
  readonly settledMs: number;
}

interface Move<Link, Sequence> {
  readonly sequence: Sequence;
  readonly from: Link;
}

/** A replica with less than this part of an even share is short of work. */
const SHORT = 2 / 3;
/**
 * At a time, at least: each costs a prompt's computation on replicas that serve others, too. Where a replica lacks much,
 * as a new one beside one that is overrun, a quarter of what it lacks of an even share.
 */
const MOVES_AT_ONCE = 2;
const PART_AT_ONCE = 1 / 4;
/** A sequence stays where it is for so long, so that nothing goes to and fro. */
const SETTLED_MS = 5_000;

/**
 * Which running sequences to move, and away from which replica, because another replica of that stage is short of
 * work: as a rule one that has just come up, since new sequences go to the idlest replica by themselves.
 *
 * A step costs a stage the time of some rows beside those of its sequences, so the fewer run on a replica the
 * faster they all are, and evening out two replicas gains something only while one has at least two more than
 * the other: then the difference shrinks and never turns round. Moving a sequence costs all stages its `length`
 * rows once, computed in large batches, several times cheaper a row than in decoding. It is worth that if at
 * least as many tokens may still come; `maxLength` is only a bound of them, and with this margin the move pays
 * even if the answer ends much earlier. Of those that qualify, the ones with the most to come go first.
 *
 * `stages` holds the links to those replicas of each stage that a route can go through.
 */
export function planRebalance<Link extends Candidate, Sequence extends Movable<Link>>(
  stages: readonly (readonly Link[])[],
  sequences: readonly Sequence[],
): Move<Link, Sequence>[] {
  const occupancy = new Occupancy<Link>(sequences);
  const waiting = new Set(sequences.filter(isWorthMoving));
  const moves: Move<Link, Sequence>[] = [];
  for (const links of stages.filter(({ length }) => length > 1)) {
    const most = movesAtOnce(links.map((link) => occupancy.sequences(link)));
    while (moves.length < most) {
      const move = nextMove(links, occupancy, waiting);
      if (move === null) break;
      const { sequence, from, to } = move;
      waiting.delete(sequence);
      occupancy.move(from, to, sequence.demand);
      moves.push({ sequence, from });
    }
  }
  return moves;
}

const isWorthMoving = ({ length, maxLength, settledMs }: Movable<unknown>): boolean =>
  settledMs >= SETTLED_MS && maxLength - length >= length;

function movesAtOnce(running: readonly number[]): number {
  const even = running.reduce((sum, count) => sum + count, 0) / running.length;
  return Math.max(MOVES_AT_ONCE, Math.ceil((even - Math.min(...running)) * PART_AT_ONCE));
}

/** The best move from the busiest replica of a stage to its idlest; null where none helps. */
function nextMove<Link extends Candidate, Sequence extends Movable<Link>>(
  links: readonly Link[],
  occupancy: Occupancy<Link>,
  waiting: ReadonlySet<Sequence>,
): (Move<Link, Sequence> & { readonly to: Link }) | null {
  const runs = (link: Link): number => occupancy.sequences(link);
  const byWork = links.toSorted((one, other) => runs(one) - runs(other));
  const [to, from] = [byWork[0], byWork.at(-1)];
  if (to === undefined || from === undefined) return null;
  const even = links.reduce((sum, link) => sum + runs(link), 0) / links.length;
  if (runs(from) - runs(to) < 2 || runs(to) >= SHORT * even) return null;
  const toCome = ({ maxLength, length }: Sequence): number => maxLength - length;
  const [sequence] = [...waiting]
    .filter(({ route, demand }) => route.includes(from) && demand <= occupancy.freeRoom(to))
    .sort((one, other) => toCome(other) - toCome(one));
  return sequence === undefined ? null : { sequence, from, to };
}
