import { Command } from 'commander';
import { runCommand } from './lib/command.js';
import { GatewayClient } from './lib/gateway-client.js';
import { portOption } from './lib/port-option.js';
import { reportText } from './lib/report-text.js';
import { wholeNumber } from './lib/whole-number.js';

await runCommand(
  new Command('report')
    .description(
      'Where the time of the last requests went, which stage is the bottleneck, and what would help.',
    )
    .addOption(portOption())
    .option('--window <seconds>', 'how far to look back', wholeNumber(1, 600), 60)
    .option('--json', 'print the report as JSON')
    .action(async ({ port, window, json }: { port: number; window: number; json?: true }) => {
      const report = await new GatewayClient(`http://127.0.0.1:${port}`).report(window);
      console.log(json === true ? JSON.stringify(report, null, 2) : reportText(report));
    }),
);
