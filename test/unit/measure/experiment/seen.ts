import type { StageCounters } from '../../../../scripts/lib/measure/figures/stage-counters.js';
import type {
  Observation,
  PodLife,
  PodView,
  ScaleView,
} from '../../../../scripts/lib/measure/experiment/types.js';

const NOTHING: StageCounters = {
  busySeconds: 0,
  hops: 0,
  hopSeconds: 0,
  timedSteps: 0,
  stepsOnPoint: 0,
  stepsInTime: 0,
  bytesOut: 0,
  firstSequenceSeconds: 0,
  prefillSteps: 0,
  prefillStepSeconds: 0,
  prefillParts: 0,
  prefillQueueSeconds: 0,
  decodeSteps: 0,
  decodeStepSeconds: 0,
  decodeParts: 0,
  decodeQueueSeconds: 0,
};

/** A pod of what matters to a test; of `stage-0` where it does not say. */
export const podOf = (
  what: Partial<Omit<PodView, 'counters'>> & { readonly counters?: Partial<StageCounters> | null },
): PodView => ({
  name: what.name ?? `${what.app ?? 'stage-0'}-x`,
  app: 'stage-0',
  cpuLimit: 0,
  service: null,
  sidecar: null,
  ...what,
  counters: what.counters === null ? null : { ...NOTHING, ...what.counters },
});

export const scaleOf = (what: Partial<ScaleView>): ScaleView => ({
  app: 'stage-0',
  desired: 1,
  ready: 1,
  metrics: [],
  ...what,
});

/** `second`: after 1970. */
export const seenAt = (second: number, what: Partial<Observation> = {}): Observation => ({
  at: second * 1000,
  scales: [],
  pods: [],
  ...what,
});

export const lifeOf = (what: Partial<PodLife>): PodLife => ({
  name: 'stage-0-x',
  app: 'stage-0',
  created: 0,
  scheduled: null,
  started: null,
  ready: null,
  ended: null,
  device: null,
  ...what,
});
