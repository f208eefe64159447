import { spread, type Spread } from '../../bench/measure/statistics.js';
import type { PodLife, Trial } from '../types.js';

/** How long pods of an app take from nothing to ready, milliseconds over all that were seen to become ready. */
export interface ColdStart {
  readonly app: string;
  readonly pods: number;
  /** From its creation to the start of the service's container: scheduling, network, sidecar. */
  readonly toStarted: Spread | null;
  /** From there to ready: the process, its weights, its links. */
  readonly toReady: Spread | null;
  readonly whole: Spread | null;
}

/** Of the pods of several trials of an arm; a pod that lived through more than one counts once. */
export function coldStarts(trials: readonly Pick<Trial, 'lives'>[]): ColdStart[] {
  const lives = new Map<string, PodLife>();
  for (const life of trials.flatMap((trial) => trial.lives)) lives.set(life.name, life);
  const apps = [...new Set([...lives.values()].map(({ app }) => app))].sort();
  return apps.map((app) => {
    const own = [...lives.values()].filter((life) => life.app === app && life.ready !== null);
    return {
      app,
      pods: own.length,
      toStarted: spread(own.flatMap(({ created, started }) => (started === null ? [] : [started - created]))),
      toReady: spread(own.flatMap(({ started, ready }) => (started === null ? [] : [ready! - started]))),
      whole: spread(own.map(({ created, ready }) => ready! - created)),
    };
  });
}
