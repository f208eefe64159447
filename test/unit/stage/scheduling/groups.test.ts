import { Groups } from '../../../../services/stage/scheduling/groups.js';

const step = 0.01;
const running = { lanes: new Set(['x']), decodes: true, step, rows: 5 };
/** How many are out, and how many of their sequences. */
const counts = ({ out }: Groups): number[] => [out.size, [...out].reduce((sum, { away }) => sum + away, 0)];
const named = (...names: string[]): object[] => names.map((name) => ({ name }));

describe('groups', () => {
  it('is out until all of its sequences are back or have ended', () => {
    const groups = new Groups();
    const [a, b, c] = named('a', 'b', 'c');
    groups.depart([a!, b!, c!], running, 0);
    expect([...groups.out]).toMatchObject([{ lanes: new Set(['x']), away: 3, decodes: true }]);
    expect(groups.rows).toBe(5);
    groups.returned(a!, 0.02);
    groups.ended(b!);
    expect(counts(groups)).toEqual([1, 1]);
    groups.returned(c!, 0.03);
    expect([...counts(groups), groups.deadline]).toEqual([0, 0, null]);
  });

  it('is none without sequences that come back, and knows those that have never run', () => {
    const groups = new Groups();
    groups.depart([], running, 0);
    expect(groups.out.size).toBe(0);
    groups.depart(named('a'), { ...running, decodes: false, rows: 100 }, 0);
    expect([...groups.out]).toMatchObject([{ decodes: false, away: 1 }]);
  });

  it('waits for one and a half times the usual round trip, in proportion to the step', () => {
    const groups = new Groups();
    let now = 0;
    const [a] = named('a');
    for (let round = 0; round < 50; round++) {
      groups.depart([a!], running, now);
      groups.returned(a!, (now += 4 * step));
    }
    groups.depart([a!], running, now);
    expect(groups.deadline! - now).toBeCloseTo(1.5 * 4 * step);
    groups.depart(named('b'), { ...running, step: 3 * step }, now);
    groups.returned(a!, now);
    expect(groups.deadline! - now).toBeCloseTo(1.5 * 4 * 3 * step);
  });

  it('does not wait for those that are late, and takes them back whenever they come', () => {
    const groups = new Groups();
    const [a, slow] = named('a', 'slow');
    groups.depart([a!, slow!], running, 0);
    groups.returned(a!, 0.02);
    const { deadline } = groups;
    groups.expire(deadline! - 0.001);
    expect(groups.out.size).toBe(1);
    groups.expire(deadline!);
    expect([...counts(groups), groups.deadline]).toEqual([0, 0, null]);
    groups.returned(slow!, 60);
    groups.depart([slow!], running, 60);
    expect(groups.out.size).toBe(1);
  });

  it('spares those that are late for a while, but not prompts that wait for their first token', () => {
    const groups = new Groups();
    const [a, b, slow] = named('a', 'b', 'slow');
    groups.depart([a!, slow!], running, 0);
    groups.depart([b!], { ...running, decodes: false }, 0);
    const { deadline } = groups;
    groups.expire(deadline!);
    expect([groups.out.size, groups.spared]).toEqual([0, 2]);
    groups.returned(a!, deadline!);
    expect(groups.spared).toBe(1);
    groups.expire(4 * deadline! - 0.001);
    expect(groups.spared).toBe(1);
    groups.expire(4 * deadline!);
    expect(groups.spared).toBe(0);
    groups.depart([a!], running, 60);
    groups.expire(120);
    groups.returned(a!, 120);
    expect(groups.spared).toBe(0);
  });

  it('learns a round trip from most of a group, not from its slowest', () => {
    const groups = new Groups();
    const members = named('a', 'b', 'c', 'slow');
    const patience = (): number => {
      const [probe] = named('probe');
      groups.depart([probe!], running, 0);
      const waits = groups.deadline!;
      groups.ended(probe!);
      return waits;
    };
    for (let round = 0; round < 50; round++) {
      groups.depart(members, running, 0);
      for (const member of members.slice(0, 3)) groups.returned(member, 0.03);
      groups.expire(1);
      groups.returned(members[3]!, 100);
    }
    expect(patience()).toBeCloseTo(1.5 * 0.03);
    // When all of them get slower, the group is late at first, and then no longer.
    for (let round = 0; round < 50; round++) {
      groups.depart(members, running, 0);
      groups.expire(0.1);
      for (const member of members) groups.returned(member, 0.3);
    }
    expect(patience()).toBeCloseTo(1.5 * 0.3);
  });
});
