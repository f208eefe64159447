import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** JSON lines on standard output; every line names the process that wrote it. */
export function createLogger(identity: { appId: string; replica: string }, level: string): Logger {
  return pino({ level, base: { app_id: identity.appId, replica: identity.replica, pid: process.pid } });
}
