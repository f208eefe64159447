import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { parseSplit } from '../../../services/lib/model/split.js';
import { parseReplicaCounts, requireStages } from '../replica-counts.js';
import type { RenderOptions } from './render-options.js';

/** What differs from one stage of an overlay to the next. */
export interface StageSettings {
  readonly index: number;
  readonly appId: string;
  /** Least, where an autoscaler owns them. */
  readonly replicas: number;
  /** Kubernetes quantities; undefined leaves the base's. */
  readonly cpu: string | undefined;
  readonly cpuRequest: string | undefined;
  readonly memory: string | undefined;
}

/** Throws `invalid_split` or `invalid_config` for what can not be, as far as that shows without the model. */
export function stageSettings(options: RenderOptions): StageSettings[] {
  const count = parseSplit(options.split, Number.MAX_SAFE_INTEGER).length;
  const replicas = parseReplicaCounts(options.replicas);
  const cpu = quantities(options.cpu);
  const cpuRequest = quantities(options.cpuRequest);
  const memory = quantities(options.memory);
  for (const counts of [replicas, cpu.own, cpuRequest.own, memory.own]) requireStages(counts, count);
  for (const [appId, least] of replicas) {
    if (options.autoscaler === 'none' || least <= options.maxReplicas) continue;
    throw new ServingError('invalid_config', `${appId} has more replicas than --max-replicas allows`);
  }
  return Array.from({ length: count }, (_, index) => {
    const appId = `stage-${index}`;
    return {
      index,
      appId,
      replicas: replicas.get(appId) ?? 1,
      cpu: cpu.of(appId),
      cpuRequest: cpuRequest.of(appId) ?? cpu.of(appId),
      memory: memory.of(appId),
    };
  });
}

/** What is given for one stage, and for all others. */
function quantities(values: readonly string[]) {
  const pairs = values.map((value) => value.split('=')).filter((parts) => parts.length === 2);
  const own: ReadonlyMap<string, string> = new Map(pairs as [string, string][]);
  const all = values.findLast((value) => !value.includes('='));
  return { own, of: (appId: string): string | undefined => own.get(appId) ?? all };
}
