import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { freePorts } from '../../ports.js';
import { LocalSystem, type SystemOptions } from '../../local-system.js';
import { planSystem } from '../../plan-system.js';
import { ownVersion } from '../../bench/arms/own-version.js';
import { openAiDialect } from '../../bench/targets/dialect.js';
import { HttpTarget } from '../../bench/targets/http-target.js';
import type { Arm, Deployed, PodLife, Site } from '../types.js';
import { podViewOf, readPage } from './read-pod.js';

/** Processes of this machine without a cluster: nothing limits or scales them, but everything can be watched. */
export class LocalSite implements Site {
  readonly #plan: Omit<SystemOptions, 'port' | 'split'>;

  private constructor(plan: Omit<SystemOptions, 'port' | 'split'>) {
    this.#plan = plan;
  }

  /** Makes the demo model available first. */
  static async open(signal: AbortSignal): Promise<LocalSite> {
    const [port] = (await freePorts(1)) as [number];
    return new LocalSite(
      await planSystem(
        {
          replicas: [],
          precision: 'int8',
          mesh: 'direct',
          port,
          state: 'sqlite',
          trace: false,
          detach: false,
        },
        signal,
      ),
    );
  }

  describe(): Promise<string> {
    return Promise.resolve(`processes on one machine, ${ownVersion()}`);
  }

  async deploy(arm: Arm, signal: AbortSignal): Promise<Deployed> {
    const [port] = (await freePorts(1)) as [number];
    const created = Date.now();
    const replicas = new Map(arm.stages.map(({ name, min }) => [name, min]));
    const system = await LocalSystem.start({ ...this.#plan, split: arm.split, replicas, port }, signal);
    const lives = system.members.map(({ appId, replica }): PodLife => {
      const life = { name: `${appId}.${replica}`, app: appId, created, scheduled: null, started: created };
      return { ...life, ready: Date.now() };
    });
    return {
      target: new HttpTarget(system.url, openAiDialect(this.#plan.modelName)),
      observe: async (limit) => ({
        at: Date.now(),
        scales: arm.stages.map(({ name: app, min }) => ({
          app,
          desired: min,
          ready: system.members.filter(({ appId }) => appId === app).length,
          metrics: [],
        })),
        pods: await Promise.all(
          system.members.map(async ({ appId: app, replica, healthPort }) => {
            const own = app === 'gateway' ? port : healthPort;
            const page = await readPage(`http://127.0.0.1:${own}/metrics`, limit);
            return podViewOf({ name: `${app}.${replica}`, app, cpuLimit: 0 }, page, null);
          }),
        ),
      }),
      lives: () => lives,
      delay: () =>
        Promise.reject(
          new ServingError('invalid_config', 'processes of one machine have no network to delay'),
        ),
      settle: () => Promise.resolve(),
      stop: async () => {
        await system.stop();
        await system.folder.remove();
      },
    };
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
