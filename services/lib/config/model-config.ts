import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from './env.js';

/** Which prepared model is served, and how it is cut. */
export interface ServedConfig {
  /** Folder that `prepare-model` wrote. */
  readonly prepared: string;
  readonly precision: 'f32' | 'int8';
  /** Of the activations that stages send each other. */
  readonly activations: 'f32' | 'f16';
  /** Such as `10,20`; empty for one stage. */
  readonly split: string;
}

export function cacheDirectory(environment: Environment): string {
  return environment.text('LAYERMESH_CACHE', join(homedir(), '.cache', 'layermesh'));
}

export function readServedConfig(environment: Environment): ServedConfig {
  return {
    prepared: environment.text('LAYERMESH_PREPARED'),
    precision: environment.choice('LAYERMESH_PRECISION', ['int8', 'f32'], 'int8'),
    activations: environment.choice('LAYERMESH_ACTIVATIONS', ['f32', 'f16'], 'f32'),
    split: environment.text('LAYERMESH_SPLIT', ''),
  };
}
