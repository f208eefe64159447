import type { Environment } from './env.js';

/** Pino's. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LEVELS)[number];

export const readLogLevel = (environment: Environment): LogLevel =>
  environment.choice('LAYERMESH_LOG_LEVEL', LEVELS, 'info');
