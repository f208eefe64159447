import type { StepTotals } from './gen/stage_pb.js';

/** Sums over steps, as `Status` carries them. */
export type Totals = Omit<StepTotals, '$typeName' | '$unknown'>;

export const NO_STEPS: Totals = {
  steps: 0,
  parts: 0,
  busySeconds: 0,
  queueSeconds: 0,
  partsSquared: 0,
  partsBySeconds: 0,
  processorSeconds: 0,
  uptimeSeconds: 0,
};
