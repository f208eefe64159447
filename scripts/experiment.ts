import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand, stopSignal } from './lib/cli/command.js';
import { DELAYS, measureArms, measureNetwork } from './lib/measure/experiment/cpu/measure.js';
import { experimentCommand, type ExperimentOptions } from './lib/measure/experiment/options.js';
import { planOf, RowStore } from './lib/measure/experiment/plan.js';
import { resultsPage, writePage } from './lib/measure/experiment/cpu/page.js';
import { commandLine } from './lib/measure/page.js';
import { ClusterSite } from './lib/measure/sites/cluster-site.js';
import { LocalSite } from './lib/measure/sites/local-site.js';
import type { Site } from './lib/measure/experiment/types.js';
import { repositoryRoot } from './lib/repository.js';

/** Enough to pass through every part that needs no cluster, and no more. */
const SMOKE = { arms: ['c'], loads: ['step'], duration: 3, rate: 2, network: false } as const;

/** Some twenty seconds of a small cluster. */
const CAPACITY = { clients: 16, requests: 32 };
const SMOKE_CAPACITY = { clients: 2, requests: 2 };
/** At each delay. */
const NETWORK_REQUESTS = 8;

await runCommand(experimentCommand(experiment));

async function experiment(asked: ExperimentOptions): Promise<void> {
  const signal = stopSignal();
  const options = asked.smoke ? { ...asked, ...SMOKE } : asked;
  const folder = asked.smoke ? mkdtempSync(join(tmpdir(), 'layermesh-experiment-')) : asked.rows;
  const site = asked.smoke
    ? new LocalSite()
    : new ClusterSite({
        namespace: asked.namespace,
        tag: asked.tag,
        delayCommand: asked.delayCommand ?? null,
        folder,
      });
  try {
    await measure(options, site, new RowStore(folder), signal);
  } finally {
    await site.close();
  }
}

async function measure(
  options: ExperimentOptions,
  site: Site,
  store: RowStore,
  signal: AbortSignal,
): Promise<void> {
  const plan = planOf(options, store);
  const onEvent = (message: string): void => console.error(message);
  const shared = { site, store, seed: options.seed, onEvent };
  const what = {
    arms: options.arms,
    loads: options.loads,
    rate: options.rate ?? null,
    capacity: options.smoke ? SMOKE_CAPACITY : CAPACITY,
  };
  const network = options.network
    ? await measureNetwork({ delays: DELAYS, requests: NETWORK_REQUESTS }, plan, shared, signal)
    : [];
  const results = await measureArms(what, plan, shared, signal);

  const page = resultsPage(plan, results, network, commandLine('experiment'));
  writePage(page, store.folder);
  console.log(`${page.text}\n\nWritten to ${store.folder}`);
  if (options.docs) writePage(page, join(repositoryRoot, 'docs'));
}
