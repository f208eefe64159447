import { setTimeout as delay } from 'node:timers/promises';
import type { DeployedMesh } from '../deploy.js';
import { expect } from '../kubectl.js';
import { underLoad, type LoadResult } from '../load.js';

const LOAD = { clients: 4, maxTokens: 48 };
const RETURN_TIMEOUT_MS = 180_000;

/**
 * The only pod of each layer service is deleted by force under load: it has about two seconds from SIGTERM, less than
 * its sequences need. No request fails. (Kills without any goodbye: test/integration/replicas.test.ts.)
 */
export async function kills(mesh: DeployedMesh): Promise<string[]> {
  const lines: string[] = [];
  for (const appId of ['stage-0', 'stage-1', 'stage-2']) {
    const { answered } = await underLoad(`a pod of ${appId} killed`, mesh.url, LOAD, async () => {
      const busy = async (): Promise<boolean> =>
        (await mesh.gateway.metrics())('requests_running') >= LOAD.clients;
      await mesh.until('requests running', busy, 30_000);
      const [pod] = await mesh.pods(appId);
      const { name } = pod!.metadata;
      await mesh.kubectl.run(['delete', 'pod', name, '--grace-period=0', '--force']);
      const replaced = async (): Promise<boolean> => (await mesh.routed(appId)).some(({ id }) => id !== name);
      await mesh.until(`another pod of ${appId}`, replaced, RETURN_TIMEOUT_MS);
    });
    lines.push(`a pod of ${appId} killed: ${answered} requests, none failed`);
  }
  return lines;
}

const ROUNDS = 20;
const SCALED = 'stage-1';

/** A stage goes from two replicas to one, again and again, with sequences running on both: no request fails. */
export async function scaleDowns(mesh: DeployedMesh): Promise<string[]> {
  // Whichever is removed then has sequences to hand over.
  const bothRun = async (): Promise<boolean> =>
    (await mesh.routed(SCALED)).filter(({ sequences }) => sequences > 0).length === 2;
  const { answered } = await underLoad(`${ROUNDS} scale-downs`, mesh.url, LOAD, async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      await mesh.scale(SCALED, 2);
      await mesh.untilRouted(SCALED, 2);
      await mesh.until('sequences on both replicas', bothRun, 60_000);
      await mesh.scale(SCALED, 1);
      await mesh.untilRouted(SCALED, 1);
    }
  });
  const moved = (await mesh.gateway.metrics('reason="draining"'))('reroutes_total');
  expect(moved > 0, 'no sequence was handed over');
  return [
    `${ROUNDS} scale-downs of ${SCALED} under load: ${answered} requests, none failed, ${moved} sequences handed over`,
  ];
}

/** The stage that is made the bottleneck, by the share of the model and of the processors that it has. */
const BOTTLENECK = 'stage-1';

const SATURATING = { clients: 12, maxTokens: 48 };
const WINDOW_MS = 30_000;
const SCALE_TIMEOUT_MS = 240_000;
const MIN_GAIN = 1.4;

/**
 * Load that saturates one stage: its Deployment grows and no other, requests go on without a failure, and more of them
 * are answered. Without load it comes back to one.
 */
export async function saturation(mesh: DeployedMesh, signal: AbortSignal): Promise<string[]> {
  const measure = (what: string): Promise<LoadResult> =>
    underLoad(what, mesh.url, SATURATING, () => delay(WINDOW_MS, undefined, { signal }));
  const most = new Map<string, number>();
  const look = async (): Promise<number> => {
    const replicas = await mesh.replicas();
    for (const [name, count] of replicas) most.set(name, Math.max(most.get(name) ?? 0, count));
    return replicas.get(BOTTLENECK) ?? 0;
  };
  // Held at one, so that what is measured before is not half of it after.
  await setMost(mesh, 1);
  const before = await measure('before scaling up');
  await setMost(mesh, 2);
  const growth = await underLoad('while scaling up', mesh.url, SATURATING, async () => {
    await mesh.until(`${BOTTLENECK} scaled up`, async () => (await look()) >= 2, SCALE_TIMEOUT_MS);
    await mesh.untilRouted(BOTTLENECK, 2);
  });
  const after = await measure('after scaling up');

  await look();
  const others = [...most].filter(([name, count]) => name !== BOTTLENECK && count > 1);
  expect(others.length === 0, `others grew too: ${JSON.stringify(others)}`);
  const gain = rateOf(after) / rateOf(before);
  const became = `${rateOf(before).toFixed(1)} tokens/s became ${rateOf(after).toFixed(1)}`;
  expect(gain >= MIN_GAIN, became);

  await mesh.until(`${BOTTLENECK} scaled down`, async () => (await look()) === 1, SCALE_TIMEOUT_MS);
  return [
    `${BOTTLENECK} alone grew, in ${growth.seconds.toFixed(0)} s from load to a second replica that serves`,
    `${became}, ${gain.toFixed(2)} times as many`,
    `${before.answered + growth.answered + after.answered} requests, none failed; back to one replica afterwards`,
  ];
}

async function setMost({ kubectl }: DeployedMesh, maxReplicas: number): Promise<void> {
  const patch = JSON.stringify({ spec: { maxReplicas } });
  await kubectl.run(['patch', `horizontalpodautoscaler/${BOTTLENECK}`, '--patch', patch]);
}

const rateOf = ({ tokens, seconds }: LoadResult): number => tokens / seconds;
