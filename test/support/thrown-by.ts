import { ServingError } from '../../services/lib/errors/serving-error.js';

/** The ServingError that `action` throws or rejects with; anything else fails the test. */
export async function thrownBy(action: () => unknown): Promise<ServingError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof ServingError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
