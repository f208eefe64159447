/** Rows up to which an extension is short: it shares a run with others, where a prompt's chunk fills one alone. */
export const SHORT_ROWS = 16;

/**
 * What a run of its own costs, in rows of a run that takes place anyway. Between 1 and 16 sequences, steps of the
 * 135M model took about 5.5 ms and 1.6 ms for each row on a processor with VNNI, those of a 1.1B model 23 ms and
 * 2 ms on one with AMX: 4 to 12 rows.
 */
const ROWS_PER_RUN = 8;

/** What a place that only pads costs, in rows, estimated: attention computes it, nothing else does. */
const ROWS_PER_PADDING = 1 / 4;

/**
 * Groups short extensions into runs. In attention all members of a run have as many places as the longest has rows,
 * so shorter ones are padded: those of one length join the longer ones only if their padding is no dearer than the
 * run that it saves.
 */
export function groupByPadding<Member extends { readonly count: number }>(
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
function worthPadding<Member extends { readonly count: number }>(
  group: readonly Member[],
  equals: readonly Member[],
): boolean {
  const padding = equals.length * (group[0]!.count - equals[0]!.count);
  return padding * ROWS_PER_PADDING <= ROWS_PER_RUN;
}
