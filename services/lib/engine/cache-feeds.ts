import ort from 'onnxruntime-node';
import type { LayerRange } from '../model/split.js';
import { pastName } from './graph/inputs.js';
import type { KvArena } from './kv/arena.js';
import type { KvBatch } from './kv/kv-cache.js';
import { arraysOf, type CacheValues, type KvLayout } from './kv/kv-layout.js';

type Feeds = Readonly<Record<string, ort.Tensor>>;

/** What a run that copied nothing was given, and of which slots. */
interface Views {
  readonly arena: KvArena;
  /** Those of the arena when the views were made. */
  readonly resizes: number;
  readonly firstSlot: number;
  readonly sequences: number;
  readonly feeds: Feeds;
}

/** Of how many runs the views are kept: groups take turns, and each may have sequences in more than one arena. */
const KEPT = 4;

/**
 * The cache of each layer as a run takes it: views of the arena, or, where fewer rows are wanted than a slot has, copies.
 * A run of the same slots as one shortly before gets the same tensors, which show what has been written since: so do nearly
 * all steps of a lone sequence, and of groups that take turns; and of thirty layers there are up to 120.
 */
export class CacheFeeds {
  readonly #range: LayerRange;
  readonly #layout: KvLayout;
  /** The one used last first. */
  #kept: readonly Views[] = [];

  constructor(range: LayerRange, layout: KvLayout) {
    this.#range = range;
    this.#layout = layout;
  }

  /** Of a batch that meets `past` rows of its slots. Valid until the cache is changed but by appending rows. */
  of({ arena, firstSlot, members }: KvBatch, past: number): Feeds {
    this.release();
    const sequences = members.length;
    if (past !== arena.bucket)
      return this.#tensors(sequences, past, (plane) => arena.read(plane, firstSlot, past));
    const same = this.#kept.find(
      (views) => views.arena === arena && views.firstSlot === firstSlot && views.sequences === sequences,
    );
    const views = same ?? {
      arena,
      resizes: arena.resizes,
      firstSlot,
      sequences,
      feeds: this.#tensors(sequences, past, (plane) => arena.view(plane, firstSlot, sequences)),
    };
    this.#kept = [views, ...this.#kept.filter((each) => each !== views)].slice(0, KEPT);
    return views.feeds;
  }

  /** Lets go of views of arrays that the cache itself holds no more: they would keep their memory. */
  release(): void {
    this.#kept = this.#kept.filter(({ arena, resizes }) => arena.resizes === resizes);
  }

  #tensors(sequences: number, past: number, rowsOf: (plane: number) => readonly CacheValues[]): Feeds {
    const feeds: Record<string, ort.Tensor> = {};
    for (let plane = 0; plane < this.#layout.shape.planes; plane++) {
      const rows = rowsOf(plane);
      const layer = this.#range.start + Math.floor(plane / 2);
      for (const [index, { name, shape }] of arraysOf(this.#layout, plane).entries())
        feeds[pastName(layer, name)] = tensor(rows[index]!, shape(sequences, past));
    }
    return feeds;
  }
}

const tensor = (values: CacheValues, shape: readonly number[]): ort.Tensor =>
  values instanceof Float32Array
    ? new ort.Tensor('float32', values, shape)
    : new ort.Tensor('int8', values, shape);
