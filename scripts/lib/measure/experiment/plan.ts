import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { parseSplit } from '../../../../services/lib/model/split.js';
import { writeWhole } from '../../repository.js';
import { describeMachine } from '../page.js';
import type { ExperimentOptions } from './options.js';
import { COST_MODEL_VERSION } from '../../../../services/lib/model/plan.js';
import { EXPERIMENT_SETTINGS } from './settings.js';
import type { Plan, ScenarioPlan, Trial } from './types.js';

type PlanOptions = Pick<ExperimentOptions, 'split' | 'cpu' | 'sidecarCpu' | 'duration' | 'seed'>;

/**
 * The plan that the rows in a folder are of; a new folder gets one. Throws `invalid_config` where the options are not
 * those that the rows were measured with.
 */
export const planOf = (options: PlanOptions, store: RowStore): Plan =>
  keptPlan(
    {
      split: boundariesOf(options.split),
      serviceMilliCpu: options.cpu,
      sidecarMilliCpu: options.sidecarCpu,
      duration: options.duration,
      seed: options.seed,
    },
    store,
  );

/** The same of a scenario's folder; each row says by a digest of which arm and load it is. */
export const scenarioPlanOf = (scenario: string, store: RowStore): ScenarioPlan =>
  keptPlan({ scenario, costModel: COST_MODEL_VERSION, settings: EXPERIMENT_SETTINGS }, store);

function keptPlan<Decisive extends Readonly<Record<string, unknown>>>(
  decisive: Decisive,
  store: RowStore,
): Decisive & Pick<Plan, 'machine' | 'date'> {
  const known = store.readPlan() as (Decisive & Pick<Plan, 'machine' | 'date'>) | null;
  if (known === null) {
    const plan = { ...decisive, machine: describeMachine(), date: new Date().toISOString() };
    store.writePlan(plan);
    return plan;
  }
  const [other] = Object.entries(decisive).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(known[name as keyof Decisive]),
  );
  if (other === undefined) return known;
  const [name, value] = other;
  const was = JSON.stringify(known[name as keyof Decisive]);
  throw new ServingError(
    'invalid_config',
    `the rows in ${store.folder} were measured with ${name} ${was}, not ${JSON.stringify(value)}`,
    { hint: 'give the same options again, or another --rows folder' },
  );
}

/** Whether the model has so many layers is seen when it is served. */
const boundariesOf = (split: string): number[] =>
  parseSplit(split, Number.MAX_SAFE_INTEGER)
    .slice(1)
    .map(({ start }) => start);

/** Trials in a folder, a file each, so that what was measured outlives whatever fails after it. */
export class RowStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** What the trials are of; null in a new folder. */
  readPlan(): unknown {
    return this.#read('plan');
  }

  writePlan(plan: object): void {
    this.#write('plan', plan);
  }

  /** Null for one that has not been run. */
  readTrial(arm: string, load: string): Trial | null {
    return this.#read(`${arm}-${load}`) as Trial | null;
  }

  writeTrial(trial: Trial): void {
    this.#write(`${trial.arm}-${trial.load}`, trial);
  }

  #read(name: string): unknown {
    try {
      return JSON.parse(readFileSync(this.#path(name), 'utf8')) as unknown;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  #write(name: string, value: unknown): void {
    writeWhole(this.#path(name), JSON.stringify(value));
  }

  #path(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}
