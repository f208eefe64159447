import ort from 'onnxruntime-node';
import type { ActivationType } from '../model/activations.js';
import { checkWeightRule, weightRule } from '../model/quantize/weight-rule.js';
import { openShards, readModelFile } from '../model/shards/open-shards.js';
import { CacheFeeds } from './cache-feeds.js';
import { checkStep } from './check-step.js';
import { runShape, sharedFeeds, StepRows } from './feeds.js';
import { inverseFrequencies } from './graph/rotary.js';
import { filesOf, NEW_ROWS, stageGraph } from './graph/stage-graph.js';
import { type KvBatch, KvCache } from './kv/kv-cache.js';
import { type CacheValues, int8Layout, plainLayout } from './kv/kv-layout.js';
import { availableThreads } from './processors.js';
import type { Engine, KvUsage, Precision, RowKind, StepInput, StepOutput } from './types.js';

/** Else ONNX Runtime reports every session to its makers, and keeps a device id and a database in the home folder. */
process.env['ORT_DISABLE_TELEMETRY'] = '1';

export interface OnnxEngineOptions {
  /** The prepared model, `shards/<digest>`. */
  readonly shards: string;
  readonly range: { readonly start: number; readonly end: number };
  readonly precision: Precision;
  /** Defaults to what the container or the machine grants. */
  readonly threads?: number;
  /** Of a step that is computed alone: more than `threads` hold the weights a second time. `threads` by default. */
  readonly aloneThreads?: number;
  /** Of the KV cache; that of the weights by default. */
  readonly kvPrecision?: Precision;
  /** Of what comes from the stage before, and goes to the next; f32 by default. */
  readonly activations?: ActivationType;
  /** Room of the KV cache, in tokens of all sequences together. */
  readonly kvTokens: number;
  /** Room for what is kept of closed sequences, bytes; none by default. */
  readonly prefixBytes?: number;
}

/** Opens the layers `[start, end)` of a prepared model in ONNX Runtime. Reads no other layer's weights. */
export async function createOnnxEngine(options: OnnxEngineOptions): Promise<Engine> {
  const { config } = await readModelFile(options.shards);
  const range = { ...options.range, layers: config.layers };
  const shards = await openShards(options.shards, options.precision, filesOf(range));
  checkWeightRule(shards);
  const { kvHeads, headDim } = config;
  const shape = { planes: 2 * (range.end - range.start), kvHeads, headDim };
  const layout =
    (options.kvPrecision ?? options.precision) === 'int8' ? int8Layout(shape) : plainLayout(shape);
  const activations = options.activations ?? 'f32';
  const graph = stageGraph(shards, range, { layout, weightRule: weightRule() }, activations);
  const threads = options.threads ?? availableThreads();
  const { aloneThreads = threads } = options;
  const session = await openSession(graph, shards.directory, threads);
  const alone =
    aloneThreads > threads
      ? await openSession(graph, shards.directory, aloneThreads, SPIN_ALONE_MICROSECONDS)
      : session;
  const cache = new KvCache(layout, options.kvTokens, options.prefixBytes);
  const rows = { config, range, activations };
  return new OnnxEngine({ session, alone }, rows, cache);
}

/** One model in two sessions, or in one twice: how many threads compute is settled when a session is opened. */
interface Sessions {
  readonly session: ort.InferenceSession;
  /** Of steps that nothing else is computed beside. */
  readonly alone: ort.InferenceSession;
}

/** The new rows of one run of a step. */
interface Finished {
  readonly batch: KvBatch;
  readonly rows: readonly CacheValues[];
}

class OnnxEngine implements Engine {
  readonly #sessions: Sessions;
  readonly #rows: RowKind;
  readonly #cache: KvCache;
  readonly #cacheFeeds: CacheFeeds;
  readonly #frequencies: Float64Array;
  /** Of the last step, while they are not in the cache yet. */
  #unwritten: readonly Finished[] = [];

  constructor(sessions: Sessions, rows: RowKind, cache: KvCache) {
    this.#sessions = sessions;
    this.#rows = rows;
    this.#frequencies = inverseFrequencies(rows.config);
    this.#cache = cache;
    this.#cacheFeeds = new CacheFeeds(rows.range, cache.layout);
  }

  get kv(): KvUsage {
    const { used, capacity } = this.#cache.usage;
    const members = this.#unwritten.flatMap(({ batch }) => batch.members);
    return { used: members.reduce((sum, { count }) => sum + count, used), capacity };
  }

  open(sequence: string, maxLength: number, prefix?: readonly string[]): number {
    this.#write();
    return this.#cache.open(sequence, maxLength, prefix);
  }

  close(sequence: string, prefix?: readonly string[]): void {
    this.#write();
    this.#cache.close(sequence, prefix);
    this.#cacheFeeds.release();
  }

  async dispose(): Promise<void> {
    const sessions = new Set<ort.InferenceSession>([this.#sessions.session, this.#sessions.alone]);
    for (const session of sessions) await session.release();
  }

  /**
   * The cache drops what is to be computed anew at once, and advances only after every run has succeeded. The output goes
   * first: the next stage need not wait until the rows are written, which is done as soon as nobody waits for anything.
   */
  async step(input: StepInput): Promise<StepOutput> {
    this.#write();
    const { range, config } = this.#rows;
    checkStep(input, range, config, this.#cache);
    for (const { sequence, position } of input.items) this.#cache.rewind(sequence, position);
    this.#cache.requireRoom(input.items);
    const rows = new StepRows(input, this.#rows);
    const { layout } = this.#cache;
    const session = input.alone === true ? this.#sessions.alone : this.#sessions.session;
    const newRows = NEW_ROWS.slice(0, layout.keys.length);
    const finished: Finished[] = [];
    for (const batch of this.#cache.arrange(input.items)) {
      const run = runShape(batch, layout);
      const feeds = {
        ...rows.feeds(batch),
        ...sharedFeeds(run, config, this.#frequencies),
        ...this.#cacheFeeds.of(batch, run.past),
      };
      const outputs = await session.run(feeds, [...rows.fetches, ...newRows]);
      rows.keep(batch, outputs);
      finished.push({ batch, rows: newRows.map((name) => outputs[name]!.data as CacheValues) });
    }
    this.#unwritten = finished;
    setImmediate(() => this.#write());
    return rows.output;
  }

  /** Whatever looks into the cache, or changes it, comes after this. */
  #write(): void {
    const unwritten = this.#unwritten;
    this.#unwritten = [];
    for (const { batch, rows } of unwritten) this.#cache.append(batch, rows);
  }
}

const ERRORS_ONLY = 3;

/**
 * How long a thread spins for its next share of a step before it blocks. A step has hundreds of shares, a few
 * microseconds apart, and waking a thread costs as much: without spinning a step takes half as long again.
 * Longer, and an idle engine takes time from others on the same processors (`docs/adr/004-shards-and-memory.md`).
 */
const SPIN_MICROSECONDS = '20';

/** Of a step that has the processors to itself. */
const SPIN_ALONE_MICROSECONDS = '100';

/** Opens a model whose weights lie in `weightsDirectory`. */
export function openSession(
  model: Uint8Array,
  weightsDirectory: string,
  threads: number,
  spinMicroseconds = SPIN_MICROSECONDS,
): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: ERRORS_ONLY,
    extra: {
      session: {
        model_external_initializers_file_folder_path: `${weightsDirectory}/`,
        // Softmax over what is masked makes denormals, which processors take many times as long for.
        set_denormal_as_zero: '1',
        intra_op: { allow_spinning: '1', spin_duration_us: spinMicroseconds },
      },
    },
  });
}
