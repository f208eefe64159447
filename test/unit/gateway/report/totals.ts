import { NO_STEPS, type Totals } from '../../../../services/lib/wire/step-totals.js';

/** The totals of a replica that ran these steps. */
export const totalsOf = (
  steps: readonly { parts: number; busy: number }[],
  process: Partial<Totals> = {},
): Totals =>
  steps.reduce(
    (sum, { parts, busy }) => ({
      ...sum,
      steps: sum.steps + 1,
      parts: sum.parts + parts,
      busySeconds: sum.busySeconds + busy,
      partsSquared: sum.partsSquared + parts ** 2,
      partsBySeconds: sum.partsBySeconds + parts * busy,
    }),
    { ...NO_STEPS, ...process },
  );
