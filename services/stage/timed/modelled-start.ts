import { setTimeout as delay } from 'node:timers/promises';
import type { TimedServed } from '../../lib/config/config.js';
import { CostModel } from '../../lib/engine/timed/cost-model.js';
import { deviceProfile } from '../../lib/engine/timed/device-profile.js';
import { modelShape } from '../../lib/model/shapes/model-shape.js';
import type { Registry } from '../../lib/mesh/types.js';
import type { LayerRange } from '../../lib/model/split.js';

/** Where the registry lists replicas of any stage that load: they share the storage's bandwidth. */
const LOADING = 'loading';

/** Between two looks at how many there are. */
const LOOK_MS = 1_000;

export interface ModelledStartOptions {
  readonly served: Pick<TimedServed, 'start' | 'storageGBps' | 'shape' | 'device' | 'dilation'>;
  readonly range: LayerRange;
  readonly replica: string;
  readonly registry: Registry;
  readonly signal: AbortSignal;
  /** Seconds since the process began; from there on its start is counted. */
  readonly age?: () => number;
  readonly lookMs?: number;
}

/**
 * Resolves when the process is as old as a stage of these layers would be that has loaded its weights. In each second
 * so much of the start is done as that second is of a start with as many others as load then.
 */
export async function modelledStart(options: ModelledStartOptions): Promise<void> {
  const { served, range, replica, registry, signal, lookMs = LOOK_MS } = options;
  const { age = () => performance.now() / 1000 } = options;
  if (served.start === null) return;
  const cost = new CostModel(modelShape(served.shape), deviceProfile(served.device), range);
  const record = { appId: LOADING, replica, address: 'none', draining: false };
  const announcement = await registry.announce(record, { signal });
  try {
    let sharers = 1;
    for (let done = 0, looked = 0; ;) {
      sharers = await registry.list(LOADING).then(
        (loading) => Math.max(1, loading.length),
        () => sharers,
      );
      const whole = cost.startSeconds(served.start, sharers, served.storageGBps) * served.dilation;
      const now = age();
      done += (now - looked) / whole;
      looked = now;
      const left = (1 - done) * whole * 1000;
      if (left <= 0) return;
      await delay(Math.min(lookMs, left), undefined, { signal });
    }
  } finally {
    // Who does not hear of it sees its beat end.
    await announcement.withdraw().catch(() => undefined);
  }
}
