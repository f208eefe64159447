import type { Totals } from '../../lib/wire/step-totals.js';

/** What a step of so many sequences takes: `fixed + perPart * parts`, seconds. */
export interface StepCost {
  readonly fixed: number;
  readonly perPart: number;
}

/** Steps of almost equal size do not tell which share of their time is fixed. */
const SMALLEST_SPREAD = 0.1;

/**
 * The least-squares line through all steps that a replica ever ran, scaled to what a step takes in the window.
 * Where all steps were alike, nothing is known, and all time counts as growing with the sequences: that promises
 * the most of a further replica, so the report says that it is a guess.
 */
export function fitStepCost(ever: Totals, window: Totals): StepCost & { readonly guessed: boolean } {
  const size = window.parts / window.steps;
  const seconds = window.busySeconds / window.steps;
  const mean = ever.parts / ever.steps;
  const variance = ever.partsSquared / ever.steps - mean ** 2;
  if (!(Math.sqrt(Math.max(0, variance)) >= SMALLEST_SPREAD * mean)) {
    return { fixed: 0, perPart: seconds / size, guessed: true };
  }
  const meanSeconds = ever.busySeconds / ever.steps;
  const slope = (ever.partsBySeconds / ever.steps - mean * meanSeconds) / variance;
  const perPart = Math.min(Math.max(0, slope), meanSeconds / mean);
  const fixed = meanSeconds - perPart * mean;
  const scale = seconds / (fixed + perPart * size);
  return { fixed: fixed * scale, perPart: perPart * scale, guessed: false };
}
