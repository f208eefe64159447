import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { SHARD_FORMAT_VERSION } from '../../model/shards/format.js';
import { writeJson } from '../../model/shards/write-json.js';
import type { Checkpoint } from '../../model/types.js';
import { calibrate } from './calibrate.js';

const savedSchema = z.object({
  version: z.literal(SHARD_FORMAT_VERSION),
  digest: z.string(),
  maxima: z.array(z.array(z.number())),
});

/** The calibration of a model: measured once, and read back when preparation was interrupted after it. */
export async function savedCalibration(
  checkpoint: Checkpoint,
  directory: string,
  signal?: AbortSignal,
  onLayer?: (layer: number) => void,
): Promise<Float32Array[]> {
  const { digest } = checkpoint;
  const file = path.join(directory, 'calibration.json');
  const saved = await read(file);
  if (saved?.digest === digest) return saved.maxima.map((values) => Float32Array.from(values));
  const maxima = await calibrate(checkpoint, path.join(directory, 'calibration.scratch'), signal, onLayer);
  await writeJson(file, {
    version: SHARD_FORMAT_VERSION,
    digest,
    maxima: maxima.map((values) => [...values]),
  } satisfies z.infer<typeof savedSchema>);
  return maxima;
}

async function read(file: string): Promise<z.infer<typeof savedSchema> | null> {
  try {
    return savedSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null;
  }
}
