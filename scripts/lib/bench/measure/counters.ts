/** Figures that only grow, by name. */
export type Counters<Name extends string> = Readonly<Record<Name, number>>;

export const difference = <Name extends string>(
  later: Counters<Name>,
  earlier: Counters<Name>,
): Counters<Name> => combine(later, earlier, (one, other) => one - other);

export const total = <Name extends string>(one: Counters<Name>, other: Counters<Name>): Counters<Name> =>
  combine(one, other, (a, b) => a + b);

function combine<Name extends string>(
  one: Counters<Name>,
  other: Counters<Name>,
  operation: (a: number, b: number) => number,
): Counters<Name> {
  const names = Object.keys(one) as Name[];
  return Object.fromEntries(names.map((name) => [name, operation(one[name], other[name])])) as Counters<Name>;
}
