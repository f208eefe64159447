import type { Environment } from './env.js';

/** Room of each stage's prefix cache, bytes; 0 switches it off, for stages and gateways alike. */
export const readPrefixBytes = (environment: Environment): number =>
  environment.integer('LAYERMESH_PREFIX_CACHE_MB', 256, [0, 1 << 20]) * 2 ** 20;
