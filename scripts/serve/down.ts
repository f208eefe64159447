import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { runStep } from '../bootstrap/step.mjs';
import { runCommand } from '../lib/cli/command.js';
import { portOption } from '../lib/cli/options.js';
import { RunFolder } from '../lib/local/run/run-folder.js';
import { readRunState, stopRecorded } from '../lib/local/run/run-state.js';
import { giveOrder } from '../lib/local/supervisor.js';
import { waitUntil } from '../lib/wait-until.js';

/** A supervisor stops its processes within less. */
const PATIENCE_MS = 60_000;

await runCommand(
  new Command('down')
    .description('Stops the local system on a port, also one that lost its supervisor.')
    .addOption(portOption())
    .action(async ({ port }: { port: number }) => {
      const folder = new RunFolder(port);
      const supervisor = folder.owner;
      if (supervisor !== null) await runStep('stopped', () => askToStop(folder, supervisor));
      else await stopLeft(folder);
    }),
);

/** By its socket; by a signal while it does not take orders yet. */
async function askToStop(folder: RunFolder, supervisor: number): Promise<void> {
  const obeyed = giveOrder(folder.socket, { do: 'stop' }).catch((error: unknown) => {
    if (!(error instanceof ServingError && error.code === 'not_running')) throw error;
    if (folder.owner === supervisor) process.kill(supervisor, 'SIGTERM');
  });
  const gone = waitUntil(() => folder.owner !== supervisor, { every: 50, limit: PATIENCE_MS });
  // One that hangs takes the order and never answers.
  await Promise.race([obeyed, gone]);
  if ((await gone) !== null) return;
  throw new ServingError('process_failed', `the supervisor (pid ${supervisor}) does not stop`, {
    hint: 'kill it, and run npm run down again for what it leaves',
  });
}

async function stopLeft(folder: RunFolder): Promise<void> {
  const { processes } = readRunState(folder.state);
  const disown = folder.own();
  try {
    await runStep('stopped', () => stopRecorded(processes));
    await rm(folder.state, { force: true });
  } finally {
    disown();
  }
}
