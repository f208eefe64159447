import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import ort from 'onnxruntime-node';
import { layerFile } from '../../model/shards/format.js';
import { writeShard } from '../../model/shards/write-shard.js';
import { loadTokenizer } from '../../model/text/tokenizer.js';
import type { Checkpoint } from '../../model/types.js';
import { emptyCacheFeeds, type RunShape, sharedFeeds } from '../feeds.js';
import { calibrationGraph } from '../graph/calibration-graph.js';
import { inverseFrequencies } from '../graph/rotary.js';
import { openSession } from '../session.js';
import { availableThreads } from '../threads.js';
import { calibrationText } from './calibration-text.js';
import { F32Recipe } from './f32-recipe.js';

/** Enough to meet every channel's usual range; more changed nothing. */
const CALIBRATION_TOKENS = 512;

/**
 * Runs a text through the model at f32 and returns, for each layer, the largest magnitude of every input of its
 * down projection. One layer is in memory at a time: its weights are written to `scratch`, used and removed.
 */
export async function calibrate(
  checkpoint: Checkpoint,
  scratch: string,
  signal?: AbortSignal,
  onLayer?: (layer: number) => void,
): Promise<Float32Array[]> {
  const { layers } = checkpoint.config;
  const recipe = new F32Recipe(checkpoint);
  const maxima: Float32Array[] = [];
  await mkdir(scratch, { recursive: true });
  try {
    let hidden = await embedded(checkpoint, calibrationTokens(checkpoint));
    for (let layer = 0; layer < layers; layer++) {
      const file = await writeShard(scratch, layerFile(layer), recipe.layer(layer), signal);
      const model = calibrationGraph(checkpoint.config, file, layer);
      const session = await openSession(model, scratch, availableThreads());
      try {
        const outputs = await session.run(feeds(checkpoint, layer, hidden));
        hidden = outputs['hidden_out']!.data as Float32Array;
        maxima.push(outputs['gated_maxima']!.data as Float32Array);
      } finally {
        await session.release();
        await rm(path.join(scratch, file.name));
      }
      onLayer?.(layer);
    }
    return maxima;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function calibrationTokens({ text, config }: Checkpoint): number[] {
  const tokens = loadTokenizer(text).encode(calibrationText, { addSpecialTokens: true });
  return tokens.slice(0, Math.min(CALIBRATION_TOKENS, config.maxPositions));
}

/** `[tokens, hidden]` */
async function embedded(checkpoint: Checkpoint, tokens: readonly number[]): Promise<Float32Array> {
  const { hidden } = checkpoint.config;
  const rows = new Float32Array(tokens.length * hidden);
  for (const [index, token] of tokens.entries()) {
    rows.set(await checkpoint.read('embed', { start: token, end: token + 1 }), index * hidden);
  }
  return rows;
}

function feeds({ config }: Checkpoint, layer: number, hidden: Float32Array): Record<string, ort.Tensor> {
  const run: RunShape = { lengths: [0], past: 0, count: hidden.length / config.hidden };
  return {
    hidden: new ort.Tensor('float32', hidden, [1, run.count, config.hidden]),
    ...sharedFeeds(run, config, inverseFrequencies(config)),
    ...emptyCacheFeeds(layer, config),
  };
}
