import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import type { TextFiles } from '../../../services/lib/model/types.js';
import { locateModel } from '../prepare.js';

/** Tokenizer and chat template of the model that is measured, for workloads whose prompts are texts. */
export async function modelText(model: string | undefined, signal: AbortSignal): Promise<TextFiles> {
  const checkpoint = await openCheckpoint(await locateModel(model, signal), signal);
  await checkpoint.close();
  return checkpoint.text;
}
