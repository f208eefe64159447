import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { runStep } from '../../bootstrap/step.mjs';
import { ensureDaprd } from '../local/daprd.js';
import { locateModel, prepare } from '../model/prepare.js';
import { setUpStep, type CheckStep } from './check-step.js';

/** What the integration tests stand on. */
export const integrationNeeds: readonly CheckStep[] = [
  setUpStep('daprd', (signal) =>
    runStep('daprd', async (onProgress) => {
      const daprd = await ensureDaprd({ signal, onProgress });
      if (daprd === null)
        throw new ServingError('sidecar_missing', 'there is no daprd 1.18 and no Go to build it');
    }),
  ),
  setUpStep('shards', async (signal) => {
    const model = await locateModel(undefined, signal);
    await prepare(model, 'f32', signal);
    await prepare(model, 'int8', signal);
  }),
];
