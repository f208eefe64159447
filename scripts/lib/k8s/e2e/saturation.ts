import { setTimeout as delay } from 'node:timers/promises';
import type { DeployedMesh } from '../deployed-mesh.js';
import { waitUntil } from '../wait-until.js';
import type { LoadResult } from '../load.js';
import { expect, expectNoFailures } from './expect.js';
import { underLoad } from './under-load.js';

/** The stage that is made the bottleneck, by the share of the model and of the processors that it has. */
export const BOTTLENECK = 'stage-1';

const LOAD = { clients: 12, maxTokens: 48 };
const WINDOW_MS = 30_000;
const SCALE_TIMEOUT_MS = 240_000;
const MIN_GAIN = 1.4;

/**
 * Load that saturates one stage: its Deployment grows and no other, requests go on without a failure, and more of them
 * are answered. Without load it comes back to one.
 */
export async function saturation(mesh: DeployedMesh, signal: AbortSignal): Promise<string[]> {
  // Held at one, so that what is measured before is not half of it after.
  await setMost(mesh, 1);
  const before = await measure(mesh, signal);
  expectNoFailures('before scaling up', before);
  await setMost(mesh, 2);
  const growth = await underLoad(mesh.url, LOAD, async () => {
    const grown = async (): Promise<boolean> => ((await mesh.replicas()).get(BOTTLENECK) ?? 0) >= 2;
    await waitUntil(`${BOTTLENECK} scaled up`, grown, { timeoutMs: SCALE_TIMEOUT_MS, signal });
    await mesh.waitForReplicas(BOTTLENECK, 2);
  });
  expectNoFailures('while scaling up', growth);
  const after = await measure(mesh, signal);
  expectNoFailures('after scaling up', after);

  const replicas = await mesh.replicas();
  const others = [...replicas].filter(([name, count]) => name !== BOTTLENECK && count > 1);
  expect(others.length === 0, `others grew too: ${JSON.stringify(others)}`);
  const gain = rateOf(after) / rateOf(before);
  expect(gain >= MIN_GAIN, `${rateOf(before).toFixed(1)} tokens/s became ${rateOf(after).toFixed(1)}`);

  const single = async (): Promise<boolean> => (await mesh.replicas()).get(BOTTLENECK) === 1;
  await waitUntil(`${BOTTLENECK} scaled down`, single, { timeoutMs: SCALE_TIMEOUT_MS, signal });
  return [
    `${BOTTLENECK} alone grew, in ${growth.seconds.toFixed(0)} s from load to a second replica that serves`,
    `${rateOf(before).toFixed(1)} tokens/s became ${rateOf(after).toFixed(1)}, ${gain.toFixed(2)} times as many`,
    `${before.answered + growth.answered + after.answered} requests, none failed; back to one replica afterwards`,
  ];
}

async function setMost({ kubectl }: DeployedMesh, maxReplicas: number): Promise<void> {
  const patch = JSON.stringify({ spec: { maxReplicas } });
  await kubectl.run(['patch', `horizontalpodautoscaler/${BOTTLENECK}`, '--patch', patch]);
}

/** For a while under the same load. */
const measure = (mesh: DeployedMesh, signal: AbortSignal): Promise<LoadResult> =>
  underLoad(mesh.url, LOAD, () => delay(WINDOW_MS, undefined, { signal }));

const rateOf = ({ tokens, seconds }: LoadResult): number => tokens / seconds;
