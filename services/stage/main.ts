import { readStageConfig, type StageConfig } from '../lib/config/stage-config.js';
import { runService } from '../lib/process/run-service.js';
import type { Logger } from '../lib/telemetry/log.js';
import { startStage } from './start-stage.js';

/** A layer service: loads its layers, joins the mesh, serves until it is told to stop, and drains. */
await runService(readStageConfig, async (config: StageConfig, log: Logger, stopped: AbortSignal) => {
  const stage = await startStage(config, log, stopped);
  const reason = await Promise.race([stage.crashed, whenAborted(stopped)]);
  if (reason !== undefined) throw reason;
  await stage.drain(config.drainSeconds);
  await stage.close();
});

function whenAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
