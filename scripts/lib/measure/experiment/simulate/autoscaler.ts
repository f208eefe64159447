import { EXPERIMENT_SETTINGS } from '../settings.js';
import type { StageBounds } from '../arm.js';

/** Between two looks of a HorizontalPodAutoscaler (`--horizontal-pod-autoscaler-sync-period`), seconds. */
export const SYNC_SECONDS = 15;
/** Within which of its target a metric changes nothing (`--horizontal-pod-autoscaler-tolerance`). */
const TOLERANCE = 0.1;

/** The HorizontalPodAutoscaler of a stage, as k8s/base/stage/autoscaler.yaml sets it but for how soon it goes down. Pure. */
export class Autoscaler {
  readonly #bounds: Pick<StageBounds, 'min' | 'max'>;
  readonly #recommended: { readonly at: number; readonly replicas: number }[] = [];

  constructor(bounds: Pick<StageBounds, 'min' | 'max'>) {
    this.#bounds = bounds;
  }

  /** How many replicas there shall be, where `current` are, and so many are demanded; null where that is not known. */
  look(current: number, demanded: number | null, now: number): number {
    const { min, max } = this.#bounds;
    const isNear = demanded === null || Math.abs(demanded / current - 1) <= TOLERANCE;
    const wanted = Math.min(max, Math.max(min, isNear ? current : Math.ceil(demanded)));
    const since = now - EXPERIMENT_SETTINGS.scaleDownAfter;
    while (this.#recommended[0] !== undefined && this.#recommended[0].at < since) this.#recommended.shift();
    this.#recommended.push({ at: now, replicas: wanted });
    if (wanted > current) return Math.min(wanted, Math.max(2 * current, current + 2));
    return Math.min(current, Math.max(...this.#recommended.map(({ replicas }) => replicas)));
  }
}
