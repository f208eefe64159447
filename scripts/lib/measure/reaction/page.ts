import { figure, table } from '../../cli/tables.js';
import { spread } from '../figures/statistics.js';
import type { Reaction } from '../figures/reaction.js';
import type { ReactionRound } from './run-reactions.js';

/** What a reaction is made of, each from the end of the one before. */
const PARTS: readonly (readonly [name: string, from: keyof Times | null, to: keyof Times])[] = [
  ['load to metric', null, 'visible'],
  ['metric to HPA', 'visible', 'decided'],
  ['HPA to ready', 'decided', 'ready'],
  ['ready to first token', 'ready', 'serving'],
  ['in all', null, 'serving'],
];

type Times = Pick<Reaction, 'visible' | 'decided' | 'ready' | 'serving'>;

/** Seconds of each part in each round, and their medians; Kubernetes tells of `ready` in whole seconds, rounded down. */
export function reactionTable(rounds: readonly ReactionRound[]): string {
  const parts = rounds.map(({ reaction }) => PARTS.map(([, from, to]) => secondsBetween(reaction, from, to)));
  const rows = rounds.map(({ reaction, answered, failures }, index) => [
    String(index + 1),
    reaction?.app ?? 'none',
    ...parts[index]!.map(figure),
    String(answered),
    String(failures.length),
  ]);
  const medians = PARTS.map((_, part) => spread(parts.flatMap((each) => each[part] ?? []))?.median ?? null);
  const sums = [
    rounds.reduce((total, { answered }) => total + answered, 0),
    rounds.reduce((total, { failures }) => total + failures.length, 0),
  ];
  const head = ['round', 'stage', ...PARTS.map(([name]) => `${name}, s`), 'answered', 'failed'];
  return table(head, [...rows, ['median', '', ...medians.map(figure), ...sums.map(String)]]);
}

function secondsBetween(reaction: Reaction | null, from: keyof Times | null, to: keyof Times): number | null {
  const end = reaction?.[to] ?? null;
  const start = from === null ? 0 : (reaction?.[from] ?? null);
  return end === null || start === null ? null : (end - start) / 1000;
}
