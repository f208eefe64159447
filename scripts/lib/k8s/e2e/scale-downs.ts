import type { DeployedMesh } from '../deployed-mesh.js';
import { expectNoFailures } from './expect.js';
import { underLoad } from './under-load.js';

const LOAD = { clients: 4, maxTokens: 48 };
const APP_ID = 'stage-1';

/** A stage goes from two replicas to one, again and again, with sequences running on both: no request fails. */
export async function scaleDowns(mesh: DeployedMesh, rounds: number): Promise<string[]> {
  const result = await underLoad(mesh.url, LOAD, async () => {
    for (let round = 1; round <= rounds; round++) {
      await mesh.scale(APP_ID, 2);
      await mesh.waitForReplicas(APP_ID, 2);
      await mesh.scale(APP_ID, 1);
      await mesh.waitForReplicas(APP_ID, 1);
    }
  });
  expectNoFailures(`${rounds} scale-downs`, result);
  return [`${rounds} scale-downs of ${APP_ID} under load: ${result.answered} requests, none failed`];
}
