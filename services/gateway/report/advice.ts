import type { MergePrediction } from './better-merge.js';
import type { SplitPrediction } from './better-split.js';
import type { Prediction } from './predict.js';

/** KV room as it is now, in tokens, stage by stage. */
export interface Room {
  /** Sequences that wait for some. */
  readonly waiting: number;
  readonly stages: readonly { readonly kvUsed: number; readonly kvCapacity: number }[];
}

/** What to do with a running system: cut it finer, put two stages together, add a replica, or leave it. */
export interface Advice {
  readonly action: 'split' | 'merge' | 'replica' | 'keep';
  /** One sentence, with the figures that say so. */
  readonly text: string;
}

/** What the report has found. */
export interface Findings {
  /** App-ids, stage 0 first. */
  readonly stages: readonly string[];
  readonly room: Room;
  /** Of one replica more of each stage. */
  readonly replicas: readonly Prediction[];
  readonly merge: MergePrediction | null;
  /** Of as many stages; null where the present one is the best. */
  readonly split: SplitPrediction | null;
}

/** Share of a stage's KV room from which it is what limits. */
const FULL = 0.9;
/** Below it the room holds the same sequences beside the layers of two stages: half for each, and half of that for the weights. */
const IDLE = 0.25;
/** Less is within what predictions are off by (docs/observability.md). */
const WORTH = 1.1;

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
const times = (gain: number): string => `× ${gain.toFixed(2)}`;

/**
 * Room first, for without it nothing else is gained; then what costs no device; then what costs one. It knows nothing of
 * prices, nor of what another split would be on other devices: that is what the map in docs/experiment.md is for.
 */
export function adviceOf({ stages, room, replicas, merge, split }: Findings): Advice {
  const shares = room.stages.map(({ kvUsed, kvCapacity }) => kvUsed / Math.max(1, kvCapacity));
  const fullest = Math.max(0, ...shares);
  if (room.waiting > 0 && fullest >= FULL) {
    const stage = stages[shares.indexOf(fullest)]!;
    return {
      action: 'split',
      text:
        `Split finer, or add a replica of ${stage}: its KV room is ${percent(fullest)} full and ${room.waiting} ` +
        'wait for some; with fewer layers, a device has more room.',
    };
  }
  if (merge !== null && merge.gain >= WORTH && fullest <= IDLE) {
    const [one, next] = [stages[merge.stage]!, stages[merge.stage + 1]!];
    return {
      action: 'merge',
      text:
        `Merge ${one} and ${next}, on the replicas of both: ${times(merge.gain)} with no device more, for splitting ` +
        `brings less than its hops cost while the fullest KV room is ${percent(fullest)} used.`,
    };
  }
  const best = replicas.reduce((most, { gain }, index) => (gain > replicas[most]!.gain ? index : most), 0);
  const gain = replicas[best]?.gain ?? 1;
  if (gain >= WORTH) {
    return { action: 'replica', text: `Add a replica of ${stages[best]!}: ${times(gain)}.` };
  }
  return { action: 'keep', text: keepText(gain, { merge, split }, fullest) };
}

/** The predictions stand beside it: what they promise and is not advised is told with the reason. */
function keepText(
  gain: number,
  { merge, split }: Pick<Findings, 'merge' | 'split'>,
  fullest: number,
): string {
  const replica = `a replica (${times(gain)} at best)`;
  const why =
    merge !== null && merge.gain >= WORTH
      ? `${replica} would not help by a tenth, and a stage fewer (${times(merge.gain)}) needs KV room, ` +
        `of which the fullest stage has ${percent(fullest)} used.`
      : `neither ${replica} nor a stage fewer would help by a tenth.`;
  if (split === null || split.gain < WORTH) return `Keep it as it is: ${why}`;
  const moved = `split ${split.split.join()}, ${times(split.gain)} with no device more`;
  return `Keep the stages and their replicas: ${why} Other boundaries would help: ${moved}.`;
}
