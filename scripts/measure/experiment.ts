import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { prepareImages } from '../lib/k8s/images.js';
import { cpuSection, measureCpu } from '../lib/measure/experiment/cpu/measure-cpu.js';
import { experimentCommand, type ExperimentOptions } from '../lib/measure/experiment/options.js';
import {
  writeExperimentPage,
  type ExperimentResults,
} from '../lib/measure/experiment/page/experiment-page.js';
import { RowStore } from '../lib/measure/experiment/plan.js';
import { resultsOf, runScenario } from '../lib/measure/experiment/run-scenario.js';
import { SCENARIOS, type Scenario } from '../lib/measure/experiment/scenario.js';
import { scenarioOf, smokeScenario } from '../lib/measure/experiment/scenarios/index.js';
import {
  nameOfPlace,
  PLACES,
  simulatePlace,
  withPrices,
  type MapCell,
} from '../lib/measure/experiment/simulate/map.js';
import type { Site } from '../lib/measure/experiment/types.js';
import { commandLine, describeMachine } from '../lib/measure/page.js';
import { ClusterSite } from '../lib/measure/sites/cluster-site.js';
import { LocalSite } from '../lib/measure/sites/local-site.js';
import { repositoryRoot, writeWhole } from '../lib/repository.js';

/** Enough to pass through every part that needs no cluster, and no more. */
const SMOKE = { site: 'local', arms: ['c'], loads: ['step'], duration: 3, rate: 2, network: false } as const;

type WrittenMap = NonNullable<ExperimentResults['map']>;

const onEvent = (message: string): void => console.error(message);

await runCommand(experimentCommand(experiment));

async function experiment(asked: ExperimentOptions): Promise<void> {
  const signal = stopSignal();
  const options = asked.smoke
    ? { ...asked, ...SMOKE, rows: mkdtempSync(join(tmpdir(), 'layermesh-experiment-')) }
    : asked;
  const store = new RowStore(options.rows);
  const scenarios = scenariosOf(options);
  if (!options.page) await measure(scenarios, options, store, signal);

  const folder = options.docs ? join(repositoryRoot, 'docs') : options.rows;
  const map = options.scenario.includes('map') ? await mapOf(options, store, signal) : null;
  const run = {
    machine: describeMachine(),
    date: new Date().toISOString(),
    command: commandLine('experiment'),
  };
  writeExperimentPage(
    { map, scenarios: scenarios.map((scenario) => resultsOf(scenario, store)), ...run },
    folder,
  );
  if (options.scenario.includes('cpu')) await cpuSection(options, store, folder, signal);
  console.log(`Written to ${join(folder, 'experiment.md')}`);
}

function scenariosOf({ scenario, dilate, hopMs, smoke }: ExperimentOptions): Scenario[] {
  const fleet = { dilation: dilate, hopMs };
  if (smoke) return [smokeScenario(fleet)];
  return SCENARIOS.filter((name) => scenario.includes(name)).map((name) => scenarioOf(name, fleet));
}

async function measure(
  scenarios: readonly Scenario[],
  options: ExperimentOptions,
  store: RowStore,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, tag, delayCommand = null, rows: folder } = options;
  const site: Site =
    options.site === 'local' ? new LocalSite() : new ClusterSite({ namespace, tag, delayCommand, folder });
  try {
    // Whether there is a cluster at all is known sooner than images are built.
    await site.describe(signal);
    if (options.site === 'cluster' && !options.imagesReady) await prepareImages(tag, signal);
    for (const scenario of scenarios) await runScenario(scenario, { site, store, onEvent }, signal);
    if (options.scenario.includes('cpu')) await measureCpu(options, { site, store, onEvent }, signal);
  } finally {
    await site.close();
  }
}

/** Simulated once, place by place, and kept with the rows: stopped, it goes on from the places that it has. */
async function mapOf(options: ExperimentOptions, store: RowStore, signal: AbortSignal): Promise<WrittenMap> {
  const { rows, smoke } = options;
  if (smoke) return { cells: [], outcomes: [] };
  const path = join(rows, 'map.json');
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, MapCell[]>) : {};
  for (const place of PLACES) {
    const name = nameOfPlace(place);
    if (known[name] !== undefined) continue;
    onEvent(`map: ${name}`);
    known[name] = simulatePlace(place);
    writeWhole(path, JSON.stringify(known));
    // A place is computed in one go: here an interrupt is heard.
    await setImmediate();
    signal.throwIfAborted();
  }
  const all = scenariosOf({ ...options, scenario: SCENARIOS });
  return {
    cells: withPrices(PLACES.flatMap((place) => known[nameOfPlace(place)]!)),
    outcomes: all.flatMap((scenario) => resultsOf(scenario, store).outcomes),
  };
}
