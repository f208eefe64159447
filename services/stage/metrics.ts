import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export type Phase = 'prefill' | 'decode';

const STEP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128];

/** What a stage tells of itself, live, when it is scraped. */
export interface StageGauges {
  queueDepth(): number;
  sequences(): number;
  kvUsedRatio(): number;
}

export type StageMetrics = ReturnType<typeof createStageMetrics>;

/** The stage's metrics on a registry of their own; all carry the labels `stage` and `layers`. */
export function createStageMetrics(labels: { stage: string; layers: string }, gauges: StageGauges) {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `layermesh_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge('stage_queue_depth', 'Parts of steps that wait for the engine.', () => gauges.queueDepth());
  gauge('stage_sequences', 'Open sequences.', () => gauges.sequences());
  gauge('stage_kv_used_ratio', 'Reserved share of the KV room, 0 to 1.', () => gauges.kvUsedRatio());
  const labelNames = ['phase'] as const;
  return {
    registry,
    stepSeconds: new Histogram({
      name: 'layermesh_stage_step_seconds',
      help: 'Time the engine takes for a step.',
      labelNames,
      buckets: STEP_BUCKETS,
      registers,
    }),
    queueSeconds: new Histogram({
      name: 'layermesh_stage_queue_seconds',
      help: 'Time that rows wait for the engine.',
      labelNames,
      buckets: STEP_BUCKETS,
      registers,
    }),
    batchSize: new Histogram({
      name: 'layermesh_stage_batch_size',
      help: 'Sequences in a step.',
      labelNames,
      buckets: BATCH_BUCKETS,
      registers,
    }),
    busySeconds: new Counter({
      name: 'layermesh_stage_busy_seconds_total',
      help: 'Time in which the engine computed.',
      registers,
    }),
    linkBytes: new Counter({
      name: 'layermesh_stage_link_bytes_total',
      help: 'Payload of frames.',
      labelNames: ['direction'] as const,
      registers,
    }),
    linkSeconds: new Histogram({
      name: 'layermesh_stage_link_seconds',
      help: 'A hop to the next stage: half of a round trip.',
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1],
      registers,
    }),
    modelLoadSeconds: new Gauge({
      name: 'layermesh_stage_model_load_seconds',
      help: 'Time from start until the weights were loaded.',
      registers,
    }),
  };
}
