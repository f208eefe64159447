import { createOnnxEngine } from '../../../services/lib/engine/onnx-engine.js';
import { prepareCheckpoint } from '../../../services/lib/engine/prepare/prepare-model.js';
import { createReferenceEngine } from './reference-engine.js';
import type { Engine, Precision } from '../../../services/lib/engine/types.js';
import type { ActivationType } from '../../../services/lib/model/activations.js';
import type { ModelConfig } from '../../../services/lib/model/types.js';
import { randomCheckpoint, smallConfig } from './random-checkpoint.js';
import { temporaryFolder } from '../temporary-folder.js';

export interface SmallModel {
  readonly config?: Partial<ModelConfig>;
  readonly precision?: Precision;
  readonly kvPrecision?: Precision;
  readonly activations?: ActivationType;
  /** Boundaries between stages. */
  readonly split?: readonly number[];
  readonly kvTokens?: number;
  /** Room for what is kept of closed sequences. */
  readonly prefixBytes?: number;
}

export interface OpenedModel {
  readonly stages: Engine[];
  readonly reference: Engine;
}

/** Opens small random models as stages and as the reference engine, and disposes of them after each test. */
export function smallModels(): (model?: SmallModel) => Promise<OpenedModel> {
  const folder = temporaryFolder();
  const opened: Engine[] = [];
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.dispose();
  });
  return async (model = {}) => {
    const { config: change = {}, precision = 'f32', kvPrecision = precision } = model;
    const { activations = 'f32', split = [], kvTokens = 4096, prefixBytes = 0 } = model;
    const config = { ...smallConfig, ...change };
    const digest = Buffer.from(JSON.stringify(change)).toString('hex');
    const checkpoint = { ...randomCheckpoint(config), digest };
    const { directory } = await prepareCheckpoint(checkpoint, { precision, cache: folder.path });
    const bounds = [0, ...split, config.layers];
    const stages: Engine[] = [];
    for (const [index, start] of bounds.slice(0, -1).entries()) {
      const range = { start, end: bounds[index + 1]! };
      const precisions = { precision, kvPrecision, activations };
      const options = { shards: directory, range, ...precisions, threads: 1, kvTokens, prefixBytes };
      stages.push(await createOnnxEngine(options));
    }
    const range = { start: 0, end: config.layers };
    const reference = await createReferenceEngine({ checkpoint, range, kvTokens });
    opened.push(...stages, reference);
    return { stages, reference };
  };
}
