import type { DeployedMesh } from '../deployed-mesh.js';
import { waitUntil } from '../wait-until.js';
import { expectNoFailures } from './expect.js';
import { underLoad } from './under-load.js';

const LOAD = { clients: 4, maxTokens: 48 };
const RETURN_TIMEOUT_MS = 180_000;

/** A pod of each layer service is killed under load, without a goodbye: no request fails. */
export async function kills(mesh: DeployedMesh, signal: AbortSignal): Promise<string[]> {
  const lines: string[] = [];
  for (const appId of ['stage-0', 'stage-1', 'stage-2']) {
    const result = await underLoad(mesh.url, LOAD, async () => {
      await untilBusy(mesh, signal);
      const [pod] = await mesh.pods(appId);
      const { name } = pod!.metadata;
      await mesh.kubectl.run(['delete', 'pod', name, '--grace-period=0', '--force']);
      const replaced = async (): Promise<boolean> =>
        (await mesh.gateway.topology()).stages.some(
          ({ app_id, replicas }) => app_id === appId && replicas.some(({ id }) => id !== name),
        );
      await waitUntil(`another pod of ${appId}`, replaced, { timeoutMs: RETURN_TIMEOUT_MS, signal });
    });
    expectNoFailures(`a pod of ${appId} killed`, result);
    lines.push(`a pod of ${appId} killed: ${result.answered} requests, none failed`);
  }
  return lines;
}

/** Until every client's request runs. */
async function untilBusy(mesh: DeployedMesh, signal: AbortSignal): Promise<void> {
  const busy = async (): Promise<boolean> =>
    (await mesh.gateway.metrics())('requests_running') >= LOAD.clients;
  await waitUntil('requests running', busy, { timeoutMs: 30_000, signal });
}
