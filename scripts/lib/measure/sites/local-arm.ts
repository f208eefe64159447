import { LocalSystem, type SystemOptions } from '../../local/local-system.js';
import { ownVersion } from '../page.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import type { Arm, Served, Size } from '../types.js';

/** The gateway's and the stages' defaults, which a load may exceed. */
const DEFAULTS = { running: 32, kvTokens: 131_072 };

/** A whole local system as `npm run up` starts it, on free ports. */
export function localArm(name: string, plan: SystemOptions): Arm {
  return {
    name,
    peer: false,
    sized: false,
    async start(size, signal) {
      const onEvent = (message: string): void => console.error(message);
      const env = { ...roomFor(size), ...plan.env };
      return servedBy(await LocalSystem.start({ ...plan, env, onEvent }, signal), plan.modelName);
    },
  };
}

function roomFor({ clients, tokens }: Size): Record<string, string> {
  return {
    LAYERMESH_MAX_RUNNING: String(Math.max(DEFAULTS.running, clients)),
    // Said only where it is too little: a timed engine has as much as its device by default.
    ...(clients * tokens > DEFAULTS.kvTokens && { LAYERMESH_KV_TOKENS: String(clients * tokens) }),
  };
}

function servedBy(system: LocalSystem, modelName: string): Served {
  const { members } = system;
  return {
    target: new HttpTarget(system.url, openAiDialect(modelName)),
    version: ownVersion(),
    processes: members.flatMap(({ processes }) => processes.map(({ name, pid }) => ({ name, pid }))),
    stages: members
      .filter(({ appId }) => appId !== 'gateway')
      .map(({ service: { name }, healthPort }) => ({
        name,
        metricsUrl: `http://127.0.0.1:${healthPort}/metrics`,
      }))
      .sort((one, other) => (one.name < other.name ? -1 : 1)),
    stop: () => system.remove(),
  };
}
