import { ServingError } from '../../errors/serving-error.js';
import { weightBits } from '../quantize/weight-bits.js';
import type { Shards } from './open-shards.js';

/** Refuses weights that this processor would multiply wrongly: `shards_invalid`. */
export function checkWeightBits({
  directory,
  weightBits: prepared,
}: Pick<Shards, 'directory' | 'weightBits'>): void {
  if (prepared !== null && prepared > weightBits()) {
    throw new ServingError(
      'shards_invalid',
      `${directory} was prepared on a processor with VNNI, which this one lacks`,
    );
  }
}
