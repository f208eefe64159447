import type { Server } from 'node:http';
import { join } from 'node:path';
import { whenAborted } from '../../services/lib/process/run-service.js';
import { cacheDirectory } from '../bootstrap/cache.mjs';
import { runStep } from '../bootstrap/step.mjs';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { boundLog } from '../lib/local/processes/bounded-log.js';
import { runDetached, serveControl, SERVING, supervisorLog } from '../lib/local/supervisor.js';
import { GatewayClient } from '../lib/local/gateway-client.js';
import { LocalSystem, type SystemOptions } from '../lib/local/local-system.js';
import { planSystem } from '../lib/local/plan-system.js';
import { readRunState } from '../lib/local/run/run-state.js';
import { RunFolder } from '../lib/local/run/run-folder.js';
import { showStatus, topologyTable } from '../lib/cli/terminal.js';
import { watchTraces } from '../lib/local/telemetry/traces.js';
import type { TelemetryUrls } from '../lib/local/telemetry/local-telemetry.js';
import { repositoryRoot } from '../lib/repository.js';
import { upCommand, type UpOptions } from '../lib/local/up-options.js';

await runCommand(upCommand(up));

async function up(options: UpOptions): Promise<void> {
  const signal = stopSignal();
  const planned = await planSystem(options, signal);
  const system = { ...planned, env: { LAYERMESH_RESULTS: resultFolders(), ...planned.env } };
  if (!options.detach) {
    // Somebody waits to hear that it serves: this is the detached one, and writes a log.
    if (process.send !== undefined) boundLog(supervisorLog(options.port));
    return serve(system, signal);
  }
  const args = process.argv.slice(2).filter((argument) => argument !== '--detach');
  await runStep('layer services', () => runDetached(args, options.port, signal));
  const { url, telemetry } = readRunState(new RunFolder(options.port).state);
  await announce(new GatewayClient(url), telemetry ?? null);
  console.log('\nnpm run down stops it.');
}

/** Where `experiment` and `observe` write, and `bench` may be told to. */
function resultFolders(): string {
  const docs = ['observability', 'benchmarks'].map((name) => join(repositoryRoot, 'docs', name));
  return process.env['LAYERMESH_RESULTS'] ?? [join(cacheDirectory(), 'experiment'), ...docs].join(',');
}

/** Serves until it is told to stop. */
async function serve(options: SystemOptions, signal: AbortSignal): Promise<void> {
  const onEvent = (message: string): void => console.error(message);
  const system = await runStep('layer services', () => LocalSystem.start({ ...options, onEvent }, signal));
  const asked = new AbortController();
  let control: Server | null = null;
  // Whatever goes wrong from here on, all is stopped in order.
  try {
    control = await serveControl(system.folder.socket, {
      scale: (appId, count) => system.scale(appId, count, signal),
      stop: () => {
        asked.abort();
        return system.stop();
      },
    });
    await announce(system.gateway, system.telemetry?.urls ?? null);
    process.send?.(SERVING);
    await show(system, AbortSignal.any([signal, asked.signal]));
  } finally {
    await runStep('stopped', () => system.stop());
    control?.close();
  }
}

/** How it goes, on the terminal, until it is told to stop. */
async function show(system: LocalSystem, stopped: AbortSignal): Promise<void> {
  const status = showStatus(system.gateway, process.stdout);
  const jaeger = system.telemetry?.urls.jaeger ?? null;
  const endTraces = watchTraces(jaeger, (url) => status.say(`Last trace: ${url}`));
  try {
    await whenAborted(stopped);
  } finally {
    endTraces();
    status.end();
  }
}

async function announce(gateway: GatewayClient, telemetry: TelemetryUrls | null): Promise<void> {
  const topologies = await gateway.topologies();
  const [topology] = topologies;
  // A model that nobody has trained never ends by itself.
  const limit = topology.engine === undefined ? '' : ', "max_tokens": 64';
  const body = `{"messages": [{"role": "user", "content": "Why is the sky blue?"}], "stream": true${limit}}`;
  const page = await gateway.consoleUrl();
  if (page !== null) console.log(`\nThe console: ${page}`);
  console.log(`
Serving ${topologies.map((each) => `${each.model} (${each.engine ?? each.precision})`).join(' and ')} at ${gateway.url}

  curl -N ${gateway.url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '${body}'

${topologies.map(topologyTable).join('\n\n')}`);
  if (telemetry?.jaeger) console.log(`\nTraces at ${telemetry.jaeger}`);
  if (telemetry?.prometheus) console.log(`Metrics at ${telemetry.prometheus}`);
}
