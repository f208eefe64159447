import { ServingError } from '../../errors/serving-error.js';
import type { Architecture } from './architecture.js';
import { llama } from './llama.js';

/** The next architecture is one more file and one more entry. */
const architectures: readonly Architecture[] = [llama];

/** By a GGUF's `general.architecture`; throws `unsupported_architecture`. */
export const architectureOfGguf = (name: string): Architecture =>
  architectures.find(({ gguf }) => gguf.architectures.includes(name)) ?? unsupported(name);

/** By the class name in config.json; throws `unsupported_architecture`. */
export const architectureOfClass = (name: string): Architecture =>
  architectures.find(({ huggingFace }) => huggingFace.classes.includes(name)) ?? unsupported(name);

/** By the `model_type` in config.json; throws `unsupported_architecture`. */
export const architectureOfModelType = (name: string): Architecture =>
  architectures.find(({ huggingFace }) => huggingFace.modelTypes.includes(name)) ?? unsupported(name);

function unsupported(name: string): never {
  throw new ServingError(
    'unsupported_architecture',
    `the architecture "${name.slice(0, 80)}" is not supported`,
  );
}
