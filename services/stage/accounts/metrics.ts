import { Counter, Gauge, Histogram } from 'prom-client';
import { createMetricsRegistry, tellEngine } from '../../lib/telemetry/metrics.js';
import { METRICS } from '../../lib/telemetry/names.js';
import type { Phase } from '../scheduling/work-queue.js';

const PHASES: readonly Phase[] = ['prefill', 'decode'];

const STEP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128];
const HOP_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1];

/** Shares of a step: a run is void unless half of its steps are within 0.01, and 99 of 100 within 0.05. */
const OVERSHOOT_BUCKETS = [0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.5, 1];

/** What a stage tells of itself, live, when it is scraped. */
export interface StageGauges {
  queueDepth(): number;
  sequences(): number;
  kvUsedRatio(): number;
}

export type StageMetrics = ReturnType<typeof createStageMetrics>;

/** The stage's metrics on a registry of their own; all carry the labels `stage` and `layers`. */
export function createStageMetrics(
  labels: { stage: string; layers: string },
  gauges: StageGauges,
  engine: string | null = null,
) {
  const registry = createMetricsRegistry();
  registry.setDefaultLabels(labels);
  tellEngine(registry, engine);
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge(METRICS.queueDepth, 'Parts of steps that wait for the engine.', () => gauges.queueDepth());
  gauge(METRICS.sequences, 'Open sequences.', () => gauges.sequences());
  gauge(METRICS.kvUsedRatio, 'Reserved share of the KV room, 0 to 1.', () => gauges.kvUsedRatio());
  const byPhase = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, labelNames: ['phase'] as const, buckets, registers });
  const metrics = {
    registry,
    stepSeconds: byPhase(METRICS.stepSeconds, 'Time the engine takes for a step.', STEP_BUCKETS),
    queueSeconds: byPhase(METRICS.stageQueueSeconds, 'Time that rows wait for the engine.', STEP_BUCKETS),
    batchSize: byPhase(METRICS.batchSize, 'Sequences in a step.', BATCH_BUCKETS),
    busySeconds: new Counter({
      name: METRICS.busySeconds,
      help: 'Time in which the engine computed.',
      registers,
    }),
    linkBytes: new Counter({
      name: METRICS.linkBytes,
      help: 'Payload of frames.',
      labelNames: ['direction'] as const,
      registers,
    }),
    linkSeconds: new Histogram({
      name: METRICS.linkSeconds,
      help: 'A hop to the next stage: half of a round trip.',
      buckets: HOP_BUCKETS,
      registers,
    }),
    stepOvershoot: new Histogram({
      name: METRICS.stepOvershoot,
      help: 'Of a timed engine: how much too late a step was over, as a share of it.',
      buckets: OVERSHOOT_BUCKETS,
      registers,
    }),
    modelLoadSeconds: new Gauge({
      name: METRICS.modelLoadSeconds,
      help: 'Time from start until the weights were loaded.',
      registers,
    }),
  };
  // There before the first step: an autoscaler must not take a stage that nobody has used for one that tells nothing.
  for (const phase of PHASES) {
    for (const each of [metrics.stepSeconds, metrics.queueSeconds, metrics.batchSize]) each.zero({ phase });
  }
  for (const direction of ['in', 'out'] as const) metrics.linkBytes.inc({ direction }, 0);
  return metrics;
}
