import { fitStepCost } from '../../../../services/gateway/report/step-cost.js';
import { totalsOf } from './totals.js';

test('finds the line that steps of several sizes lie on', () => {
  const steps = [1, 2, 4, 8, 16].map((parts) => ({ parts, busy: 0.02 + 0.003 * parts }));
  const cost = fitStepCost(totalsOf(steps), totalsOf(steps));
  expect(cost.fixed).toBeCloseTo(0.02);
  expect(cost.perPart).toBeCloseTo(0.003);
  expect(cost.guessed).toBe(false);
});

test('scales it to what a step takes in the window', () => {
  const ever = totalsOf([1, 16].map((parts) => ({ parts, busy: 0.02 + 0.003 * parts })));
  const slower = totalsOf([{ parts: 8, busy: 2 * (0.02 + 0.003 * 8) }]);
  const cost = fitStepCost(ever, slower);
  expect(cost.fixed + cost.perPart * 8).toBeCloseTo(0.088);
  expect(cost.fixed / cost.perPart).toBeCloseTo(0.02 / 0.003);
});

test('says that it guesses where all steps were of one size', () => {
  const steps = totalsOf([
    { parts: 16, busy: 0.03 },
    { parts: 16, busy: 0.034 },
  ]);
  expect(fitStepCost(steps, steps)).toMatchObject({ fixed: 0, guessed: true });
});

test('never makes a larger step cheaper, nor a fixed part negative', () => {
  const falling = totalsOf([
    { parts: 1, busy: 0.05 },
    { parts: 16, busy: 0.01 },
  ]);
  expect(fitStepCost(falling, falling).perPart).toBe(0);
  const steep = totalsOf([
    { parts: 4, busy: 0.001 },
    { parts: 8, busy: 0.1 },
  ]);
  expect(fitStepCost(steep, steep).fixed).toBeCloseTo(0);
});
