import type { TimedServed } from '../../config/config.js';
import { PREFIX_BLOCK } from '../../model/prefix-blocks.js';
import { ownsHead } from '../../model/split.js';
import type { StepItem } from '../../model/step.js';
import { checkStep } from '../check-step.js';
import { type KvBatch, KvCache } from '../kv/kv-cache.js';
import { bytesPerToken, type CacheValues, plainLayout } from '../kv/kv-layout.js';
import type { BestTokens, Engine, KvUsage, RowKind, StepInput, StepOutput, StepTime } from '../types.js';
import { CostModel } from './cost-model.js';
import { DeviceClock } from './device-clock.js';
import { deviceProfile } from './device-profile.js';
import { BEST_LOGIT, bestToken, DigestRows, digestOf, LOGITS, logitsOf } from './digests.js';
import { modelShape } from '../../model/shapes/model-shape.js';

export interface TimedEngineOptions extends Pick<
  TimedServed,
  'device' | 'shape' | 'dilation' | 'activations'
> {
  readonly range: { readonly start: number; readonly end: number };
  /** Room of the KV cache, tokens; null: what the device has room for, which is also the most. */
  readonly kvTokens: number | null;
  /** Of that room, what is for closed sequences, bytes. */
  readonly prefixBytes: number;
}

/** An engine of the layers `[start, end)` that takes a device's time and memory. Throws `invalid_config`. */
export function createTimedEngine({ range: { start, end }, ...options }: TimedEngineOptions): Engine {
  const config = modelShape(options.shape);
  const range = { start, end, layers: config.layers };
  const rows = { config, range, activations: options.activations };
  const cost = new CostModel(config, deviceProfile(options.device), range);
  return new TimedEngine(rows, cost, options);
}

/** Bytes of a value of the emulated keys and values, f16. */
const VALUE_BYTES = 2;

/**
 * The cache of an emulated stage: the real one, with a digest for each token and layer where a model has keys and
 * values, and as many tokens as those would leave room for. What is kept of closed sequences is taken off that room.
 */
export function modelledCache(
  { config, range }: Pick<RowKind, 'config' | 'range'>,
  deviceTokens: number,
  { kvTokens, prefixBytes }: Pick<TimedEngineOptions, 'kvTokens' | 'prefixBytes'>,
): KvCache {
  const planes = range.end - range.start;
  const layout = plainLayout({ planes, kvHeads: 1, headDim: 1 });
  const tokenBytes = 2 * planes * config.kvHeads * config.headDim * VALUE_BYTES;
  const blocks = Math.floor(Math.min(prefixBytes / tokenBytes, deviceTokens / 2) / PREFIX_BLOCK);
  const room = deviceTokens - blocks * PREFIX_BLOCK;
  return new KvCache(
    layout,
    Math.min(kvTokens ?? Infinity, room),
    blocks * PREFIX_BLOCK * bytesPerToken(layout),
  );
}

class TimedEngine implements Engine {
  readonly #rows: RowKind;
  readonly #cost: CostModel;
  readonly #cache: KvCache;
  readonly #digestRows: DigestRows;
  readonly #clock: DeviceClock;
  /** Of the last step, undilated, seconds. */
  #modelled = 0;

  constructor(rows: RowKind, cost: CostModel, options: Omit<TimedEngineOptions, 'range'>) {
    this.#rows = rows;
    this.#cost = cost;
    this.#cache = modelledCache(rows, cost.kvTokens, options);
    this.#digestRows = new DigestRows(rows.activations, rows.config.hidden);
    this.#clock = new DeviceClock(options.dilation);
  }

  get kv(): KvUsage {
    return this.#cache.usage;
  }

  open(sequence: string, maxLength: number, prefix?: readonly string[]): number {
    return this.#cache.open(sequence, maxLength, prefix);
  }

  close(sequence: string, prefix?: readonly string[]): void {
    this.#cache.close(sequence, prefix);
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  endStep(ready: number): StepTime {
    return this.#clock.endStep(ready, this.#modelled);
  }

  /** What leaves is there at once: `endStep` takes the time. */
  step(input: StepInput): Promise<StepOutput> {
    return Promise.resolve().then(() => this.#run(input));
  }

  #run(input: StepInput): StepOutput {
    const { range, config } = this.#rows;
    const { items } = input;
    checkStep(input, range, config, this.#cache);
    const digests = input.tokens
      ? Uint32Array.from(input.tokens)
      : this.#digestRows.read(input.hidden, range.start);
    for (const { sequence, position } of items) this.#cache.rewind(sequence, position);
    this.#cache.requireRoom(items);
    this.#pass(items, digests);
    this.#modelled = this.#cost.stepSeconds({
      items: items.map(({ count, position }) => ({ rows: count, cached: position })),
      logits: items.reduce((sum, { logits }) => sum + logits, 0),
    });
    if (!ownsHead(range)) return { hidden: this.#digestRows.write(digests, range.end) };
    const wanted = rowsWanted(items, digests);
    return input.bestOnly === true ? { best: bestOf(wanted) } : { logits: logitsOfAll(wanted) };
  }

  /** Takes the rows' digests, in place, through the layers, and into the cache. */
  #pass(items: readonly StepItem[], digests: Uint32Array): void {
    const first = new Map<string, number>();
    let row = 0;
    for (const { sequence, count } of items) {
      first.set(sequence, row);
      row += count;
    }
    for (const batch of this.#cache.arrange(items)) {
      this.#cache.append(batch, [this.#passBatch(batch, first, digests)]);
    }
  }

  /** The batch's new rows for the cache `[layers, members, count]`. */
  #passBatch(batch: KvBatch, first: ReadonlyMap<string, number>, digests: Uint32Array): Float32Array {
    const { start, end } = this.#rows.range;
    const { members, count: padded } = batch;
    const kept = new Float32Array((end - start) * members.length * padded);
    const before = batch.arena.emptyBlock(1);
    for (const [index, { sequence, position, count }] of members.entries()) {
      if (position > 0) batch.arena.readBlock(batch.firstSlot + index, position - 1, 1, before);
      else clear(before);
      const from = first.get(sequence)!;
      for (let layer = start; layer < end; layer++) {
        const plane = layer - start;
        let last = before[plane]![0]!;
        const to = (plane * members.length + index) * padded;
        for (let at = 0; at < count; at++) {
          last = digestOf(layer, digests[from + at]!, last);
          digests[from + at] = last;
          kept[to + at] = last;
        }
      }
    }
    return kept;
  }
}

function clear(block: readonly CacheValues[]): void {
  for (const values of block) values.fill(0);
}

/** The digests of the rows whose logits are wanted. */
function rowsWanted(items: readonly StepItem[], digests: Uint32Array): Uint32Array {
  let end = 0;
  return Uint32Array.from(
    items.flatMap(({ count, logits }) => [...digests.subarray((end += count) - logits, end)]),
  );
}

const bestOf = (digests: Uint32Array): BestTokens => ({
  tokens: Int32Array.from(digests, bestToken),
  logits: new Float32Array(digests.length).fill(BEST_LOGIT),
});

/** `[rows, LOGITS]`. */
function logitsOfAll(digests: Uint32Array): Float32Array {
  const logits = new Float32Array(digests.length * LOGITS);
  for (const [row, digest] of digests.entries())
    logitsOf(digest, logits.subarray(row * LOGITS, (row + 1) * LOGITS));
  return logits;
}
