import { Command } from 'commander';
import { runCommand } from '../lib/cli/command.js';
import { GatewayClient } from '../lib/local/gateway-client.js';
import { wholeNumber } from '../lib/cli/options.js';
import { reportText } from '../lib/cli/terminal.js';
import { runningPortOption } from '../lib/local/run/running.js';

interface ReportOptions {
  readonly port: number;
  readonly window: number;
  readonly model?: string;
  readonly json?: true;
}

await runCommand(
  new Command('report')
    .description(
      'Where the time of the last requests went, which stage is the bottleneck, and what would help.',
    )
    .addOption(runningPortOption())
    .option('--window <seconds>', 'how far to look back', wholeNumber(1, 600), 60)
    .option('--model <name>', 'of several that are served; the first by default')
    .option('--json', 'print the report as JSON')
    .action(async ({ port, window, model, json }: ReportOptions) => {
      const report = await new GatewayClient(`http://127.0.0.1:${port}`).report(window, model);
      console.log(json === true ? JSON.stringify(report, null, 2) : reportText(report));
    }),
);
