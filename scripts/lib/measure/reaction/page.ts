import { figure, table } from '../../cli/tables.js';
import { spread } from '../figures/statistics.js';
import { REACTION_PARTS, reactionParts } from '../figures/reaction.js';
import type { ReactionRound } from './run-reactions.js';

/** Seconds of each part in each round, and their medians; Kubernetes tells of `ready` in whole seconds, rounded down. */
export function reactionTable(rounds: readonly ReactionRound[]): string {
  const parts = rounds.map(({ reaction }) => reactionParts(reaction));
  const rows = rounds.map(({ reaction, answered, failures }, index) => [
    String(index + 1),
    reaction?.app ?? 'none',
    ...parts[index]!.map(figure),
    String(answered),
    String(failures.length),
  ]);
  const medians = REACTION_PARTS.map(
    (_, part) => spread(parts.flatMap((each) => each[part] ?? []))?.median ?? null,
  );
  const sums = [
    rounds.reduce((total, { answered }) => total + answered, 0),
    rounds.reduce((total, { failures }) => total + failures.length, 0),
  ];
  const head = ['round', 'stage', ...REACTION_PARTS.map((name) => `${name}, s`), 'answered', 'failed'];
  return table(head, [...rows, ['median', '', ...medians.map(figure), ...sums.map(String)]]);
}
