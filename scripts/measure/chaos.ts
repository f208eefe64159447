import { writeFileSync } from 'node:fs';
import { runStep } from '../bootstrap/step.mjs';
import { chaosCommand, type ChaosOptions } from '../lib/chaos/plan.js';
import { brokenRules, reportJson, reportText } from '../lib/chaos/report.js';
import { runChaos } from '../lib/chaos/run-chaos.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { LocalSystem } from '../lib/local/local-system.js';
import { planSystem } from '../lib/local/plan-system.js';

await runCommand(chaosCommand(chaos));

async function chaos(options: ChaosOptions): Promise<void> {
  const signal = stopSignal();
  const { stages = 3, seed, duration, faults: kinds, pace, clients, json } = options;
  const replicas = Array.from({ length: stages }, (_, stage) => `stage-${stage}=${options.replicas}`);
  const plan = await planSystem({ ...options, stages, replicas }, signal);
  // The same prompts come again and again: guessed from the last answers, streams would be over before anything happens to them.
  const env = { ...plan.env, LAYERMESH_SPECULATION: process.env['LAYERMESH_SPECULATION'] ?? 'own' };
  // Without the last lines of a log: most deaths are meant.
  const onEvent = (message: string): void => console.error(message.split('; its last lines')[0]);
  const system = await runStep('layer services', () => LocalSystem.start({ ...plan, env, onEvent }, signal));
  let sound = false;
  try {
    const observed = await runChaos(system, { seed, duration, kinds, pace, clients, onEvent }, signal);
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
