import { PrefixIndex } from '../../../../services/gateway/routing/prefix-index.js';

const names = (count: number, sequence = 's'): string[] =>
  Array.from({ length: count }, (_, index) => `${sequence}${index}`);

describe('the prefix index', () => {
  const [one, other] = ['one', 'other'];

  it('knows of each replica how much of a beginning it holds', () => {
    const index = new PrefixIndex();
    index.note(one, names(5), 5);
    expect(index.held(one, names(8))).toBe(5);
    expect(index.held(one, names(3))).toBe(3);
    expect(index.held(one, [...names(2), ...names(3, 'other')])).toBe(2);
    expect(index.held(one, names(3, 'other'))).toBe(0);
    expect(index.held(other, names(8))).toBe(0);
  });

  it('forgets what a replica turned out not to hold', () => {
    const index = new PrefixIndex();
    index.note(one, names(5), 5);
    index.note(one, names(5), 2);
    expect(index.held(one, names(5))).toBe(2);
  });

  it('is bounded: forgets what was noted longest ago, the end of a sequence first', () => {
    const index = new PrefixIndex();
    index.note(one, names(100), 100);
    index.note(one, names(32_768 - 40, 'more'), 32_768 - 40);
    expect(index.held(one, names(100))).toBe(40);
    expect(index.held(one, names(32_768, 'more'))).toBe(32_768 - 40);
  });

  it('is bounded in all: forgets the replica that was noted longest ago', () => {
    const index = new PrefixIndex();
    const full = names(32_768);
    for (let replica = 0; replica < 32; replica++) index.note(`r${replica}`, full, full.length);
    index.note('r0', names(1), 1);
    index.note(one, names(100), 100);
    expect(index.held('r0', full)).toBe(full.length);
    expect(index.held('r1', full)).toBe(0);
    expect(index.held('r2', full)).toBe(full.length);
    expect(index.held(one, names(100))).toBe(100);
  });
});
