import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import { ServingError } from '../services/lib/errors/serving-error.js';
import { runStep } from './bootstrap/step.mjs';
import { runCommand } from './lib/command.js';
import { giveOrder } from './lib/control.js';
import { portOption } from './lib/port-option.js';
import { RunFolder } from './lib/run-folder.js';
import { readRunState } from './lib/run-state.js';
import { stopRecorded } from './lib/stop-recorded.js';

await runCommand(
  new Command('down')
    .description('Stops the local system on a port, also one that lost its supervisor.')
    .addOption(portOption())
    .action(async ({ port }: { port: number }) => {
      const folder = new RunFolder(port);
      const state = readRunState(folder.state);
      await runStep('stopped', async () => {
        try {
          await giveOrder(folder.socket, { do: 'stop' });
        } catch (error) {
          if (!(error instanceof ServingError && error.code === 'not_running')) throw error;
          await stopRecorded(state);
        }
      });
      await rm(folder.state, { force: true });
    }),
);
