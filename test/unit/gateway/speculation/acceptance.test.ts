import { Acceptance } from '../../../../services/gateway/speculation/acceptance.js';

/** What a sequence drafts in `rounds` steps if `right` of each draft are accepted, alone. */
function drafts(right: (drafted: number) => number, rounds: number, match = 2, running = 1): number[] {
  const acceptance = new Acceptance();
  return Array.from({ length: rounds }, () => {
    const length = Math.min(15, acceptance.draftLength(match, running));
    acceptance.lookedUp(match, length);
    acceptance.observe(match, length, right(length));
    return length;
  });
}

const all = (drafted: number): number => drafted;
const none = (): number => 0;
const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

describe('the length of drafts', () => {
  it('grows to the most while all of it is right', () => {
    const lengths = drafts(all, 6);
    expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
    expect(lengths.at(-1)).toBe(15);
  });

  it('falls to nothing while it is wrong, but for a probe now and then', () => {
    const lengths = drafts(none, 1_000);
    expect(sum(lengths.slice(0, 100))).toBeLessThan(20);
    const later = lengths.slice(100);
    expect(Math.max(...later)).toBe(1);
    expect(sum(later)).toBeGreaterThan(10);
    expect(sum(later)).toBeLessThan(40);
  });

  it('comes back when the text begins to repeat', () => {
    let round = 0;
    const lengths = drafts((drafted) => (round++ < 200 ? 0 : drafted), 400);
    expect(Math.max(...lengths.slice(100, 200))).toBe(1);
    expect(lengths.at(-1)).toBe(15);
  });

  it('is a probe only after look-ups that tried nothing, and until one is made', () => {
    const acceptance = new Acceptance();
    for (let round = 0; round < 20; round++) acceptance.observe(2, 1, 0);
    // To be asked is no look-up.
    for (let round = 0; round < 100; round++) expect(acceptance.draftLength(2, 1)).toBe(0);
    for (let round = 0; round < 31; round++) acceptance.lookedUp(2, 0);
    for (let round = 0; round < 3; round++) expect(acceptance.draftLength(2, 1)).toBe(1);
    acceptance.lookedUp(2, 1);
    expect(acceptance.draftLength(2, 1)).toBe(0);
  });

  it('is greater for a longer match, whose rate is its own', () => {
    const acceptance = new Acceptance();
    expect(acceptance.draftLength(5, 1)).toBeGreaterThan(acceptance.draftLength(2, 1));
    for (let round = 0; round < 20; round++) acceptance.observe(2, 1, 0);
    expect(acceptance.draftLength(2, 1)).toBe(0);
    expect(acceptance.draftLength(5, 1)).toBe(new Acceptance().draftLength(5, 1));
  });

  it('shrinks as more sequences share the steps', () => {
    const lengths = [1, 4, 16, 64].map((running) => new Acceptance().draftLength(5, running));
    expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
    expect(new Set(lengths).size).toBeGreaterThan(2);
  });
});
