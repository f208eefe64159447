import { Command } from 'commander';
import type { Topology } from '../../services/gateway/generation/backend.js';
import { runStep } from '../bootstrap/step.mjs';
import { runCommand } from '../lib/cli/command.js';
import { giveOrder } from '../lib/local/supervisor.js';
import { parseReplicaCounts } from '../lib/cli/options.js';
import { RunFolder } from '../lib/local/run/run-folder.js';
import { runningPortOption } from '../lib/local/run/running.js';
import { topologyTable } from '../lib/cli/terminal.js';

await runCommand(
  new Command('scale')
    .description('Starts or drains replicas of a running local system.')
    .argument('<stage=n...>', 'how many replicas of which stage, such as stage-1=3')
    .addOption(runningPortOption())
    .action(async (assignments: string[], { port }: { port: number }) => {
      const { socket } = new RunFolder(port);
      for (const [appId, count] of parseReplicaCounts(assignments)) {
        const topology = await runStep(`${appId}=${count}`, () =>
          giveOrder(socket, { do: 'scale', appId, count }),
        );
        console.log(topologyTable(topology as Topology));
      }
    }),
);
