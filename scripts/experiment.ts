import { runCommand, stopSignal } from './lib/cli/command.js';
import { experimentCommand, type ExperimentOptions } from './lib/measure/experiment/options.js';
import { RowStore } from './lib/measure/experiment/plan.js';
import { resultsOf, runScenario } from './lib/measure/experiment/run-scenario.js';
import { SCENARIOS } from './lib/measure/experiment/scenario.js';
import { scenarioOf } from './lib/measure/experiment/scenarios/index.js';
import { ClusterSite } from './lib/measure/sites/cluster-site.js';
import { LocalSite } from './lib/measure/sites/local-site.js';

await runCommand(experimentCommand(experiment));

async function experiment(options: ExperimentOptions): Promise<void> {
  const signal = stopSignal();
  const onEvent = (message: string): void => console.error(message);
  const store = new RowStore(options.rows);
  const site =
    options.site === 'local'
      ? new LocalSite()
      : new ClusterSite({
          namespace: options.namespace,
          tag: options.tag,
          delayCommand: options.delayCommand ?? null,
          folder: options.rows,
        });
  try {
    for (const name of SCENARIOS.filter((each) => options.scenario.includes(each))) {
      const scenario = scenarioOf(name, { dilation: options.dilate, hopMs: options.hopMs });
      await runScenario(scenario, { site, store, onEvent }, signal);
      const results = resultsOf(scenario, store);
      for (const { id, judge } of scenario.expectations) console.log(id, JSON.stringify(judge(results)));
    }
  } finally {
    await site.close();
  }
}
