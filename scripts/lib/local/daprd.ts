import { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { ErrorCode } from '../../../services/lib/errors/catalogue.js';
import { daprdStep, findDaprd } from '../../bootstrap/daprd.mjs';
import type { LongStepOptions } from '../cli/command.js';
import { repositoryRoot } from '../repository.js';

export interface DaprdOptions extends LongStepOptions {
  /** Where an installed one may be, in order. */
  readonly folders?: readonly string[];
}

/** The path of a daprd that can serve, built where none is; null where there is neither a daprd nor Go. */
export function ensureDaprd(options: DaprdOptions = {}): Promise<string | null> {
  return findDaprd(repositoryRoot, options).catch(inOurWords);
}

/** The same as a step of the command, which `scripts/run.mjs` may have begun. */
export function ensureDaprdStep(signal: AbortSignal): Promise<string | null> {
  return daprdStep(repositoryRoot, signal).catch(inOurWords);
}

/** Before there are any packages what goes wrong is a SetupError, of either copy of scripts/bootstrap; its codes are ours. */
function inOurWords(reason: unknown): never {
  if (!(reason instanceof Error && reason.name === 'SetupError')) throw reason;
  const { code, message, hint } = reason as Error & { readonly code: ErrorCode; readonly hint: string };
  throw new ServingError(code, message, { hint, cause: reason });
}
