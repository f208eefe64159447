import { readStageConfig } from '../lib/config/config.js';
import { runService, whenAborted } from '../lib/process/run-service.js';
import { startStage } from './start-stage.js';

/** A layer service: loads its layers, joins the mesh, serves until it is told to stop, and drains. */
await runService(readStageConfig, async (config, log, stopped) => {
  const stage = await startStage(config, log, stopped);
  const crash = await Promise.race([stage.crashed, whenAborted(stopped)]);
  if (crash !== undefined) throw crash;
  await stage.drain(config.drainSeconds);
  await stage.close();
});
