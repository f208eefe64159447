import { writeFileSync } from 'node:fs';
import { runStep } from './bootstrap/step.mjs';
import { chaosCommand, type ChaosOptions } from './lib/chaos/options.js';
import { brokenRules, reportJson, reportText } from './lib/chaos/report.js';
import { runChaos } from './lib/chaos/run-chaos.js';
import { runCommand, stopSignal } from './lib/command.js';
import { LocalSystem } from './lib/local-system.js';
import { planSystem } from './lib/plan-system.js';
import { freePorts } from './lib/ports.js';

await runCommand(chaosCommand(chaos));

async function chaos(options: ChaosOptions): Promise<void> {
  const signal = stopSignal();
  const { seed, duration, faults: kinds, clients, json } = options;
  // Without the last lines of a log: most deaths are meant.
  const onEvent = (message: string): void => console.error(message.split('; its last lines')[0]);
  const system = await start(options, onEvent, signal);
  let sound = false;
  try {
    const observed = await runChaos(system, { seed, duration, kinds, clients, onEvent }, signal);
    sound = brokenRules(observed).length === 0;
    console.log(`\n${reportText(observed)}`);
    if (json !== undefined) writeFileSync(json, reportJson(observed));
    if (!sound) process.exitCode = 1;
  } finally {
    await runStep('stopped', () => system.stop());
    if (sound) await system.folder.remove();
    else console.error(`The logs are in ${system.folder.path}`);
  }
}

/** So many replicas of every stage. */
async function start(
  { model, stages = 3, replicas, precision, mesh }: ChaosOptions,
  onEvent: (message: string) => void,
  signal: AbortSignal,
): Promise<LocalSystem> {
  const [port] = (await freePorts(1)) as [number];
  const plan = await planSystem(
    {
      ...(model !== undefined && { model }),
      stages,
      replicas: Array.from({ length: stages }, (_, stage) => `stage-${stage}=${replicas}`),
      precision,
      mesh,
      port,
      state: 'sqlite',
      trace: false,
      detach: false,
    },
    signal,
  );
  return runStep('layer services', () => LocalSystem.start({ ...plan, onEvent }, signal));
}
