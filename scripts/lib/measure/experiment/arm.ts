import type { StartPreset } from '../../../../services/lib/engine/timed/cost-model.js';

/** One way to serve a model: what it is cut into, on what each part runs, and how they reach each other. */
export interface Arm {
  /** Short and unique, such as `c` or `split-2`. */
  readonly name: string;
  /** For the reader. */
  readonly title: string;
  /** Boundaries between its stages; empty for the unsplit model. */
  readonly split: readonly number[];
  readonly stages: readonly StageBounds[];
  readonly mesh: 'dapr' | 'direct';
  /** Null, or left out, where the model is really computed. */
  readonly emulated?: Emulated | null;
}

/** What a stage may take. Its replicas are fixed where `min` is `max`. */
export interface StageBounds {
  /** Its app-id. */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** CPU limits in one replica, of the service and of its sidecar, thousandths of a processor; 0 is no limit. */
  readonly milliCpu: number;
  readonly sidecarMilliCpu: number;
  /** The emulated GPU of each replica; of an arm that computes none. */
  readonly device?: string;
  /** Further replicas of the same stage, not scaled, one on each of these devices. */
  readonly more?: readonly string[];
}

/** A model on GPUs that are not there (docs/timed-engine.md). */
export interface Emulated {
  readonly shape: string;
  /** How long a replica takes to start; null: no time. */
  readonly start: StartPreset | null;
  /** Of the storage that starting replicas share, in the place of the preset's; null leaves that. */
  readonly storageGBps: number | null;
  /** All that is modelled takes so many times as long. */
  readonly dilation: number;
  /** An uncontended hop, undilated, milliseconds. */
  readonly hopMs: number;
}

/** Whether any of its stages has an autoscaler. */
export const isScaled = ({ stages }: Pick<Arm, 'stages'>): boolean =>
  stages.some(({ min, max }) => min < max);

/** Replicas of a stage that are always there. */
export const leastReplicas = ({ min, more = [] }: Pick<StageBounds, 'min' | 'more'>): number =>
  min + more.length;

/** How many times as long everything modelled takes; 1 where nothing is. */
export const dilationOf = ({ emulated }: Pick<Arm, 'emulated'>): number => emulated?.dilation ?? 1;
