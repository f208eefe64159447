import type { ServedConfig } from '../../lib/config/config.js';
import { type LayerRange, ownsEmbedding } from '../../lib/model/split.js';

/**
 * How much longer than it is a hop to this stage has to be, milliseconds: what is modelled is stretched, and a hop that
 * is not would be too short beside it, by `dilation - 1` times what it takes. The first stage also pads the way of
 * tokens from the head to the gateway, which come to it again as the next rows. 0 of what is computed.
 */
export function hopPadMs(served: ServedConfig, range: LayerRange): number {
  if (served.engine !== 'timed') return 0;
  const { dilation, hopSeconds } = served;
  const hops = ownsEmbedding(range) ? 2 : 1;
  return Math.round(hops * (dilation - 1) * hopSeconds * 1000);
}

/** Calls so much later, to the millisecond, and in order: timers of one duration fire in the order of their setting. */
export function later<Args extends unknown[]>(
  milliseconds: number,
  call: (...args: Args) => void,
): (...args: Args) => void {
  if (milliseconds === 0) return call;
  return (...args) => void setTimeout(() => call(...args), milliseconds);
}
