import type { Arrival, RequestRecord } from '../../types.js';
import { type Arm, isScaled } from '../arm.js';
import { Autoscaler, SYNC_SECONDS } from './autoscaler.js';
import { Clock } from './clock.js';
import { Gateway } from './gateway.js';
import type { Hop } from './hop.js';
import { Mesh, type ReplicaLife } from './mesh.js';

interface SimulationOptions {
  readonly hop: Hop;
  /** All that the cost model says takes so many times as long; 1 where it does not say. */
  readonly scale?: number;
  /** A replica of this stage is killed so many seconds after the load has begun. */
  readonly kills?: readonly { readonly stage: string; readonly at: number }[];
}

/** What was seen of it; all times are undilated. */
export interface Simulated {
  /** In the order of the arrivals; milliseconds. */
  readonly records: readonly RequestRecord[];
  /** Of every replica that there was; seconds. */
  readonly lives: readonly ReplicaLife[];
  /** When all was answered, seconds. */
  readonly end: number;
}

/** What is not answered so many seconds after the last arrival is given up. */
const LONGEST = 3_600;
/** Between two looks of the gateway. */
const TEND_SECONDS = 1;

/**
 * An arm of emulated GPUs under a load, without its processes: the services' own schedulers, router and demand, the cost model's
 * times, and hops that take what they took when they were measured alone. Not in it are what a processor that is too busy, or a
 * timer, adds to that, and what gateway and sidecars take beside hops. The same for the same arguments. Throws `invalid_config`
 * where a stage's weights do not fit its device.
 */
export function simulate(
  arm: Arm,
  arrivals: readonly Arrival[],
  { hop, scale = 1, kills = [] }: SimulationOptions,
): Simulated {
  const clock = new Clock();
  const mesh = new Mesh(arm, {
    clock,
    hop,
    scale,
    onTokens: (legs) => gateway.received(legs),
    onGiveWay: (leg) => gateway.broke(leg),
    onLost: (replica) => gateway.lost(replica),
    onWays: () => gateway.tend(),
  });
  const gateway = new Gateway({
    clock,
    hop,
    appIds: arm.stages.map(({ name }) => name),
    stages: () => mesh.stages,
    frameRows: mesh.frameRows,
  });
  for (const arrival of arrivals) clock.at(arrival.at, () => gateway.arrive(arrival));
  for (const { stage, at } of kills) clock.at(at, () => mesh.kill(stage));
  every(clock, TEND_SECONDS, () => gateway.tend());
  if (isScaled(arm)) autoscale(arm, { clock, mesh, gateway });
  const last = arrivals.reduce((latest, { at }) => Math.max(latest, at), 0);
  clock.run(last + LONGEST, () => gateway.records.length === arrivals.length);
  gateway.close();
  const records = gateway.records.toSorted((one, other) => one.sent - other.sent);
  return { records, lives: mesh.lives, end: clock.now };
}

function autoscale(
  { stages }: Arm,
  { clock, mesh, gateway }: { readonly clock: Clock; readonly mesh: Mesh; readonly gateway: Gateway },
): void {
  const autoscalers = stages.map((bounds) => (bounds.min < bounds.max ? new Autoscaler(bounds) : null));
  every(clock, TEND_SECONDS, () => gateway.meter.look());
  every(clock, SYNC_SECONDS, () => {
    const demanded = gateway.meter.demanded();
    for (const [index, { name, more = [] }] of stages.entries()) {
      const autoscaler = autoscalers[index];
      if (!autoscaler) continue;
      // What others beside it do is no longer demanded of those that it scales.
      const wanted = demanded.get(name);
      const own = wanted === undefined ? null : wanted - more.length;
      mesh.scaleTo(index, autoscaler.look(mesh.scaledOf(index), own, clock.now));
    }
  });
}

function every(clock: Clock, seconds: number, run: () => void): void {
  clock.after(seconds, () => {
    run();
    every(clock, seconds, run);
  });
}
