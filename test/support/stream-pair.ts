import { streamPair as pairOver } from '../../scripts/lib/measure/scale/stream-pair.js';
import type { MessageStream } from '../../services/lib/mesh/types.js';

/** Two ends of one stream within the process; messages cross in later microtasks. */
export const streamPair = (): [MessageStream, MessageStream] =>
  pairOver((_bytes, deliver) => queueMicrotask(deliver));
