import { MAX_DRAFT, ROWS_PER_STEP, type StepItem } from '../../model/step.js';

/** Rows up to which an item is short, a draft's: it shares a run with others, where a prompt's chunk fills one alone. */
export const SHORT_ROWS = MAX_DRAFT + 1;

/** What a place that only pads costs, in rows, estimated: attention computes it, nothing else does. */
const ROWS_PER_PADDING = 1 / 4;

/**
 * Groups short items into runs. In attention all members of a run have as many places as the longest has rows,
 * so shorter ones are padded: those of one length join the longer ones only if their padding is no dearer than the
 * run that it saves.
 */
export function groupByPadding<Member extends Pick<StepItem, 'count'>>(
  members: readonly Member[],
): Member[][] {
  const byCount = new Map<number, Member[]>();
  for (const member of members) {
    const equals = byCount.get(member.count);
    if (equals === undefined) byCount.set(member.count, [member]);
    else equals.push(member);
  }
  const groups: Member[][] = [];
  for (const equals of [...byCount.values()].sort(([a], [b]) => b!.count - a!.count)) {
    const group = groups.at(-1);
    if (group !== undefined && worthPadding(group, equals)) group.push(...equals);
    else groups.push(equals);
  }
  return groups;
}

/** Whether `equals`, members of one length, should join a group of longer ones. */
function worthPadding<Member extends Pick<StepItem, 'count'>>(
  group: readonly Member[],
  equals: readonly Member[],
): boolean {
  const padding = equals.length * (group[0]!.count - equals[0]!.count);
  return padding * ROWS_PER_PADDING <= ROWS_PER_STEP;
}

/**
 * The cheapest way to make `slots` (distinct, of `[0, used)`) neighbours: the window that holds most of them
 * already, and the exchanges that bring the others in.
 */
export function contiguous(
  slots: readonly number[],
  used: number,
): { first: number; swaps: (readonly [number, number])[] } {
  const size = slots.length;
  const chosen = new Uint8Array(used);
  for (const slot of slots) chosen[slot] = 1;

  let inside = 0;
  let best = -1;
  let first = 0;
  for (let end = 0; end < used; end++) {
    inside += chosen[end]! - (end >= size ? chosen[end - size]! : 0);
    if (end >= size - 1 && inside > best) {
      best = inside;
      first = end - size + 1;
    }
  }

  const swaps: (readonly [number, number])[] = [];
  const outside = slots.filter((slot) => slot < first || slot >= first + size);
  for (let slot = first; slot < first + size; slot++) {
    if (chosen[slot] === 0) swaps.push([outside.pop()!, slot]);
  }
  return { first, swaps };
}
