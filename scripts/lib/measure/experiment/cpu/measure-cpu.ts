import { join } from 'node:path';
import { commandLine } from '../../page.js';
import type { ExperimentOptions } from '../options.js';
import { planOf, RowStore } from '../plan.js';
import type { TrialOptions } from '../run-trials.js';
import type { Site } from '../types.js';
import { ServingError } from '../../../../../services/lib/errors/serving-error.js';
import { DELAYS, measureArms, measureNetwork, type ArmResults, type NetworkTrial } from './measure.js';
import { resultsPage, writePage } from './page.js';

/** Some twenty seconds of a small cluster. */
const CAPACITY = { clients: 16, requests: 32 };
const SMOKE_CAPACITY = { clients: 2, requests: 2 };
/** At each delay. */
const NETWORK_REQUESTS = 8;

/** Runs what has not been run yet of the model that is computed on processors, its network first. */
export async function measureCpu(
  options: ExperimentOptions,
  { site, store, onEvent }: Omit<TrialOptions, 'seed'>,
  signal: AbortSignal,
): Promise<{ readonly results: ArmResults; readonly network: readonly NetworkTrial[] }> {
  const own = cpuStore(store);
  const plan = planOf(options, own);
  const shared = { site, store: own, seed: options.seed, onEvent };
  const what = {
    arms: options.arms,
    loads: options.loads,
    rate: options.rate ?? null,
    capacity: options.smoke ? SMOKE_CAPACITY : CAPACITY,
  };
  const network = options.network
    ? await measureNetwork({ delays: DELAYS, requests: NETWORK_REQUESTS }, plan, shared, signal)
    : [];
  return { results: await measureArms(what, plan, shared, signal), network };
}

/** Writes what has been run of it into the page of a folder; nothing where nothing has. Throws `invalid_config` for rows of other options. */
export async function cpuSection(
  options: ExperimentOptions,
  store: RowStore,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const own = cpuStore(store);
  if (own.readPlan() === null) return;
  const { results, network } = await measureCpu(
    options,
    { site: nowhere, store, onEvent: () => undefined },
    signal,
  );
  writePage(resultsPage(planOf(options, own), results, network, commandLine('experiment')), folder);
}

const cpuStore = ({ folder }: RowStore): RowStore => new RowStore(join(folder, 'cpu'));

const notRun = (): Promise<never> =>
  Promise.reject(
    new ServingError('invalid_config', 'not all of the model on processors has been run', {
      hint: 'run it with --scenario cpu first, or leave that out of --scenario',
    }),
  );

/** Where nothing can be run: rows alone make a page. */
const nowhere: Site = { describe: notRun, deploy: notRun, close: () => Promise.resolve() };
