import { NO_STEPS, type Totals } from '../lib/wire/step-totals.js';
import type { Phase } from './metrics.js';

type Mutable = { -readonly [Field in keyof Totals]: Totals[Field] };

/** Sums over all steps so far, as `Status` tells them: whoever reads them twice knows what happened in between. */
export class StepTotals {
  readonly #of: Readonly<Record<Phase, Mutable>> = { prefill: { ...NO_STEPS }, decode: { ...NO_STEPS } };

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
