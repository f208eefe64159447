import { pino, type Logger } from 'pino';
import { ServingError } from '../errors/serving-error.js';

interface ServiceConfig {
  readonly appId: string;
  readonly replica: string;
  readonly logLevel: string;
}

/**
 * Runs a service's main function: reads and prints the configuration, turns SIGTERM and SIGINT into an
 * AbortSignal, and ends the process with 0 after an orderly stop, or with 1 and one line on standard error.
 * `serve` returns once everything that it opened is closed.
 */
export async function runService<Config extends ServiceConfig>(
  readConfig: () => Config,
  serve: (config: Config, log: Logger, stopped: AbortSignal) => Promise<void>,
): Promise<never> {
  try {
    const config = readConfig();
    const log = createLogger(config);
    log.info({ config }, 'starting');
    const stopped = stopSignal(log);
    await serve(config, log, stopped).catch((error: unknown) => {
      // Told to stop while it still waited to start.
      if (!stopped.aborted || (error as Error).name !== 'AbortError') throw error;
    });
    log.info('stopped');
    process.exit(0);
  } catch (error) {
    const reason = ServingError.from(error);
    process.stderr.write(`${reason.toLine()}\n`);
    if (reason.code === 'internal') console.error(error);
    process.exit(1);
  }
}

/** JSON lines on standard output; every line names the process that wrote it. */
const createLogger = ({ appId, replica, logLevel }: ServiceConfig): Logger =>
  pino({ level: logLevel, base: { app_id: appId, replica, pid: process.pid } });

/** Aborts at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(log: Logger): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(1);
      log.info({ signal: name }, 'stopping');
      stop.abort();
    });
  }
  return stop.signal;
}

/** Resolves when the signal aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
