import type { Knee } from '../../../../scripts/lib/measure/figures/goodput.js';
import { decided, ratioOf } from '../../../../scripts/lib/measure/experiment/scenarios/judge.js';

const knee = (rate: number, outside: Knee['outside'] = null): Knee => ({ rate, outside });

describe('the ratio of two knees', () => {
  it.each<[string, Knee, Knee, Knee | null]>([
    ['two that were found', knee(6), knee(4), knee(1.5)],
    ['one that may be more', knee(6, 'above'), knee(4), knee(1.5, 'above')],
    ['one that may be less', knee(6, 'below'), knee(4), knee(1.5, 'below')],
    ['one over what may be more', knee(6), knee(4, 'above'), knee(1.5, 'below')],
    ['one over what may be less', knee(6), knee(4, 'below'), knee(1.5, 'above')],
    ['what may be more over what may be less', knee(6, 'above'), knee(4, 'below'), knee(1.5, 'above')],
    ['two that may be more', knee(6, 'above'), knee(4, 'above'), null],
    ['two that may be less', knee(6, 'below'), knee(4, 'below'), null],
  ])('of %s', (_, one, other, expected) => {
    expect(ratioOf(one, other)).toEqual(expected);
  });
});

describe('what is expected of a value', () => {
  const isMuch = (value: number): boolean => value >= 1.3;
  const isTie = (value: number): boolean => Math.abs(value - 1) <= 0.1;

  it.each<[string, Knee, (value: number) => boolean, boolean | null]>([
    ['a value that is right', knee(1.4), isMuch, true],
    ['one that is wrong', knee(1.2), isMuch, false],
    ['at least one that is right', knee(1.4, 'above'), isMuch, true],
    ['at least one that is wrong', knee(1.2, 'above'), isMuch, null],
    ['at most one that is right', knee(1.4, 'below'), isMuch, null],
    ['at most one that is wrong', knee(1.2, 'below'), isMuch, false],
    ['at least one below a band', knee(0.5, 'above'), isTie, null],
    ['at most one above a band', knee(5, 'below'), isTie, null],
    ['at least one above a band', knee(1.2, 'above'), isTie, false],
  ])('is told by %s', (_, value, isRight, expected) => {
    expect(decided(value, isRight)).toBe(expected);
  });
});
