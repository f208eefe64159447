import { freePorts } from '../../ports.js';
import { LocalSystem, type SystemOptions } from '../../local-system.js';
import { openAiDialect } from '../targets/dialect.js';
import { HttpTarget } from '../targets/http-target.js';
import type { Arm, Served, Size } from '../types.js';
import { ownVersion } from './own-version.js';

/** The gateway's and the stages' defaults, which a load may exceed. */
const DEFAULTS = { running: 32, kvTokens: 131_072 };

/** A whole local system as `npm run up` starts it, on free ports. */
export function ownArm(name: string, plan: Omit<SystemOptions, 'port'>): Arm {
  return {
    name,
    peer: false,
    sized: false,
    async start(size, signal) {
      const [port] = (await freePorts(1)) as [number];
      const onEvent = (message: string): void => console.error(message);
      const system = await LocalSystem.start(
        { ...plan, port, env: { ...roomFor(size), ...plan.env }, onEvent },
        signal,
      );
      return servedBy(system, plan.modelName);
    },
  };
}

function roomFor({ clients, tokens }: Size): Record<string, string> {
  return {
    LAYERMESH_MAX_RUNNING: String(Math.max(DEFAULTS.running, clients)),
    LAYERMESH_KV_TOKENS: String(Math.max(DEFAULTS.kvTokens, clients * tokens)),
  };
}

function servedBy(system: LocalSystem, modelName: string): Served {
  const { members } = system;
  return {
    target: new HttpTarget(system.url, openAiDialect(modelName)),
    version: ownVersion(),
    processes: members.flatMap(({ appId, replica, service, sidecar }) => {
      const name = `${appId}.${replica}`;
      return [
        { name, pid: service.pid },
        ...(sidecar === null ? [] : [{ name: `${name}.daprd`, pid: sidecar.pid }]),
      ];
    }),
    stages: members
      .filter(({ appId }) => appId !== 'gateway')
      .map(({ appId, replica, healthPort }) => ({
        name: `${appId}.${replica}`,
        metricsUrl: `http://127.0.0.1:${healthPort}/metrics`,
      }))
      .sort((one, other) => (one.name < other.name ? -1 : 1)),
    async stop() {
      await system.stop();
      await system.folder.remove();
    },
  };
}
