import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { LocalSystem, type SystemOptions } from '../../local/local-system.js';
import { planSystem } from '../../local/plan-system.js';
import type { Arm } from '../experiment/arm.js';
import type { Deployed, Observation, PodLife, Site } from '../experiment/types.js';
import { ownVersion } from '../page.js';
import { readPage } from '../../local/metrics-page.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import { podViewOf } from './pod-watch.js';

/** Processes of this machine without a cluster: nothing limits or scales them, but everything can be watched. */
export class LocalSite implements Site {
  readonly #plan: SystemOptions;

  private constructor(plan: SystemOptions) {
    this.#plan = plan;
  }

  /** Makes the demo model available first. */
  static async open(signal: AbortSignal): Promise<LocalSite> {
    return new LocalSite(await planSystem({ mesh: 'direct' }, signal));
  }

  describe(): Promise<string> {
    return Promise.resolve(`processes on one machine, ${ownVersion()}`);
  }

  async deploy(arm: Arm, signal: AbortSignal): Promise<Deployed> {
    const created = Date.now();
    const replicas = new Map(arm.stages.map(({ name, min }) => [name, min]));
    const system = await LocalSystem.start({ ...this.#plan, split: arm.split, replicas }, signal);
    const lives = system.members.map(({ appId, service: { name } }): PodLife => {
      return { name, app: appId, created, scheduled: null, started: created, ready: Date.now() };
    });
    return {
      target: new HttpTarget(system.url, openAiDialect(this.#plan.modelName)),
      observe: (limit) => observe(system, arm, limit),
      lives: () => lives,
      delay: () =>
        Promise.reject(
          new ServingError('invalid_config', 'processes of one machine have no network to delay'),
        ),
      settle: () => Promise.resolve(),
      stop: () => system.remove(),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function observe({ members, url }: LocalSystem, arm: Arm, limit: AbortSignal): Promise<Observation> {
  const pods = members.map(async ({ appId: app, service: { name }, healthPort }) => {
    const own = app === 'gateway' ? url : `http://127.0.0.1:${healthPort}`;
    return podViewOf({ name, app, cpuLimit: 0 }, await readPage(`${own}/metrics`, limit), null);
  });
  return {
    at: Date.now(),
    scales: arm.stages.map(({ name: app, min }) => ({
      app,
      desired: min,
      ready: members.filter(({ appId }) => appId === app).length,
      metrics: [],
    })),
    pods: await Promise.all(pods),
  };
}
