import type { DeployedMesh } from '../deployed-mesh.js';
import { waitUntil } from '../wait-until.js';
import { expect, expectNoFailures } from './expect.js';
import { underLoad } from './under-load.js';

const LOAD = { clients: 4, maxTokens: 48 };
const APP_ID = 'stage-1';

/** A stage goes from two replicas to one, again and again, with sequences running on both: no request fails. */
export async function scaleDowns(mesh: DeployedMesh, rounds: number, signal: AbortSignal): Promise<string[]> {
  const result = await underLoad(mesh.url, LOAD, async () => {
    for (let round = 1; round <= rounds; round++) {
      await mesh.scale(APP_ID, 2);
      await mesh.waitForReplicas(APP_ID, 2);
      await untilBothRun(mesh, signal);
      await mesh.scale(APP_ID, 1);
      await mesh.waitForReplicas(APP_ID, 1);
    }
  });
  expectNoFailures(`${rounds} scale-downs`, result);
  const moved = (await mesh.gateway.metrics('reason="draining"'))('reroutes_total');
  expect(moved > 0, 'no sequence was handed over');
  return [
    `${rounds} scale-downs of ${APP_ID} under load: ${result.answered} requests, none failed, ${moved} sequences handed over`,
  ];
}

/** Whichever is removed then has sequences to hand over. */
async function untilBothRun(mesh: DeployedMesh, signal: AbortSignal): Promise<void> {
  const running = async (): Promise<number[]> => {
    const { stages } = await mesh.gateway.topology();
    const { replicas = [] } = stages.find(({ app_id }) => app_id === APP_ID) ?? {};
    return replicas.map(({ sequences }) => sequences);
  };
  const both = async (): Promise<boolean> => (await running()).filter((count) => count > 0).length === 2;
  await waitUntil('sequences on both replicas', both, { timeoutMs: 60_000, signal });
}
