import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { ensureDaprdStep } from '../../local/daprd.js';
import { LocalSystem, type SystemOptions } from '../../local/local-system.js';
import { readPage } from '../../local/metrics-page.js';
import { planSystem } from '../../local/plan-system.js';
import { leastReplicas, type Arm, type Emulated } from '../experiment/arm.js';
import type { Deployed, Observation, PodLife, Site } from '../experiment/types.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import { ownVersion } from '../page.js';
import { deviceOf, emulatedEnvironment, requireDevices, startLimitMs } from './emulated.js';
import { podViewOf } from './pod-watch.js';

/** Processes of this machine without a cluster: nothing limits or scales them, but everything can be watched. */
export class LocalSite implements Site {
  describe(): Promise<string> {
    return Promise.resolve(`processes on one machine, ${ownVersion()}`);
  }

  /** Arms that compute serve the demo model without sidecars, which is made available first. */
  async deploy(arm: Arm, signal: AbortSignal): Promise<Deployed> {
    requireDevices(arm);
    const plan = arm.emulated
      ? await emulatedSystem(arm, arm.emulated, signal)
      : await planSystem({ mesh: 'direct' }, signal);
    const created = Date.now();
    const replicas = new Map(arm.stages.map((stage) => [stage.name, leastReplicas(stage)]));
    const system = await LocalSystem.start({ ...plan, split: arm.split, replicas }, signal);
    const ready = Date.now();
    const lives = system.members.map(({ appId: app, replica, service: { name } }): PodLife => {
      const device = environmentOf(arm, app, replica)['LAYERMESH_DEVICE'] ?? null;
      return { name, app, created, scheduled: null, started: created, ready, ended: null, device };
    });
    return {
      target: new HttpTarget(system.url, openAiDialect(plan.modelName)),
      observe: (limit) => observe(system, arm, limit),
      lives: () => lives,
      delay: () =>
        Promise.reject(
          new ServingError('invalid_config', 'processes of one machine have no network to delay'),
        ),
      kill: (stage) => Promise.resolve(killProcess(system, stage)),
      settle: async (limit) => {
        await system.waitUntilComplete(limit);
      },
      stop: () => system.remove(),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function emulatedSystem(arm: Arm, emulated: Emulated, signal: AbortSignal): Promise<SystemOptions> {
  const daprd = arm.mesh === 'direct' ? null : await ensureDaprdStep(signal);
  if (arm.mesh === 'dapr' && daprd === null)
    throw new ServingError('sidecar_missing', `there is no daprd for the arm ${arm.name}`, {
      hint: 'get Dapr with `dapr init --slim`, https://docs.dapr.io, or install Go',
    });
  return {
    served: emulatedEnvironment(emulated),
    ownEnv: (appId, replica) => environmentOf(arm, appId, replica),
    modelName: emulated.shape,
    startSeconds: startLimitMs(arm) / 1000,
    split: arm.split,
    replicas: new Map(),
    daprd,
  };
}

/** What one replica is told alone; they count from 1. */
function environmentOf({ stages, emulated }: Arm, appId: string, replica: number): Record<string, string> {
  const stage = stages.find(({ name }) => name === appId);
  return emulated && stage ? { LAYERMESH_DEVICE: deviceOf(stage, replica - 1) } : {};
}

/** Whoever started it starts it again. */
function killProcess({ members }: LocalSystem, stage: string): string | null {
  const victim = members.find(({ appId, service }) => appId === stage && service.running);
  if (victim === undefined) return null;
  process.kill(victim.service.pid, 'SIGKILL');
  return victim.service.name;
}

async function observe({ members, url }: LocalSystem, arm: Arm, limit: AbortSignal): Promise<Observation> {
  const read = (port: number): Promise<string | null> => readPage(`http://127.0.0.1:${port}/metrics`, limit);
  const pods = members.map(async ({ appId: app, service: { name }, healthPort, sidecar, ports }) => {
    const [service, beside] = await Promise.all([
      app === 'gateway' ? readPage(`${url}/metrics`, limit) : read(healthPort),
      sidecar === null ? null : read(ports.metrics),
    ]);
    return podViewOf({ name, app, cpuLimit: 0 }, service, beside);
  });
  return {
    at: Date.now(),
    scales: arm.stages.map((stage) => ({
      app: stage.name,
      desired: leastReplicas(stage),
      ready: members.filter(({ appId }) => appId === stage.name).length,
      metrics: [],
    })),
    pods: await Promise.all(pods),
  };
}
