import type { StepTotals as StepTotalsMessage } from '../lib/wire/gen/stage_pb.js';
import type { Phase } from './metrics.js';

export type Totals = { -readonly [Field in keyof Omit<StepTotalsMessage, '$typeName' | '$unknown'>]: number };

/** Sums over all steps so far, as `Status` tells them: whoever reads them twice knows what happened in between. */
export class StepTotals {
  readonly #of: Readonly<Record<Phase, Totals>> = { prefill: zero(), decode: zero() };

  /** A step of so many `parts` took `busy` seconds, and its parts had waited `queued` seconds in all. */
  observe(phase: Phase, { parts, busy, queued }: { parts: number; busy: number; queued: number }): void {
    const totals = this.#of[phase];
    totals.steps += 1;
    totals.parts += parts;
    totals.busySeconds += busy;
    totals.queueSeconds += queued;
    totals.partsSquared += parts ** 2;
    totals.partsBySeconds += parts * busy;
  }

  /** Copies. A process has one account of its time, which both carry. */
  read(process: Pick<Totals, 'processorSeconds' | 'uptimeSeconds'>): Readonly<Record<Phase, Totals>> {
    return { prefill: { ...this.#of.prefill, ...process }, decode: { ...this.#of.decode, ...process } };
  }
}

const zero = (): Totals => ({
  steps: 0,
  parts: 0,
  busySeconds: 0,
  queueSeconds: 0,
  partsSquared: 0,
  partsBySeconds: 0,
  processorSeconds: 0,
  uptimeSeconds: 0,
});
