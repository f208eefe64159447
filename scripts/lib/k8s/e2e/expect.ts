import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { LoadResult } from '../load.js';

/** Throws `cluster_failed` unless it holds. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) {
    throw new ServingError('cluster_failed', otherwise, { hint: 'the end-to-end test does not hold' });
  }
}

export function expectNoFailures(what: string, { answered, failures }: LoadResult): void {
  const reasons = [...new Set(failures)].slice(0, 3).join('; ');
  expect(
    failures.length === 0,
    `${what}: ${failures.length} of ${answered + failures.length} failed: ${reasons}`,
  );
  expect(answered > 0, `${what}: nothing was answered`);
}
