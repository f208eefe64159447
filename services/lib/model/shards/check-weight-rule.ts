import { ServingError } from '../../errors/serving-error.js';
import { type WeightRule, weightRule } from '../quantize/weight-rule.js';
import type { Shards } from './open-shards.js';

/** Refuses weights that a processor, this one by default, would multiply wrongly: `shards_invalid`. */
export function checkWeightRule(
  { directory, weightRule: prepared }: Pick<Shards, 'directory' | 'weightRule'>,
  processor: WeightRule = weightRule(),
): void {
  if (prepared === 'free' && processor !== 'free') {
    throw new ServingError(
      'shards_invalid',
      `${directory} was prepared on a processor with VNNI, which this one lacks`,
    );
  }
}
