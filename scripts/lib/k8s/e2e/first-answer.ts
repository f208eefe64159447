import { streamChat } from '../../chat-stream.js';
import type { DeployedMesh } from '../deployed-mesh.js';
import { appIdOf, hasNativeSidecar, sidecarOf } from '../doctor/pod.js';
import { expect } from './expect.js';
import { proveMtls } from './prove-mtls.js';

/** Every stage has its sidecar beside it, they talk by mTLS only, and an answer streams through them all. */
export async function firstAnswer(mesh: DeployedMesh, signal: AbortSignal): Promise<string[]> {
  const pods = await mesh.pods();
  const lines = pods.map((pod) => {
    const sidecar = sidecarOf(pod);
    expect(sidecar?.ready === true, `${pod.metadata.name} has no sidecar that is ready`);
    const { containerStatuses = [], initContainerStatuses = [] } = pod.status;
    const all = [...containerStatuses, ...initContainerStatuses];
    const ready = all.filter((each) => each.ready).length;
    const kind = hasNativeSidecar(pod) ? 'native sidecar' : 'sidecar';
    return `${pod.metadata.name}: ${ready}/${all.length} ready, ${kind}`;
  });
  const stages = new Set(pods.map(appIdOf).filter((appId) => appId !== 'gateway'));
  expect(stages.size === 3, `there are ${stages.size} layer services, not 3`);
  lines.push(...(await proveMtls(mesh)));

  const messages = [{ role: 'user', content: 'Why is the sky blue?' }] as const;
  let pieces = 0;
  let answer = '';
  for await (const text of streamChat(mesh.url, { messages, maxTokens: 24 }, signal)) {
    if (text !== '') pieces++;
    answer += text;
  }
  expect(pieces > 8, `the answer came in ${pieces} pieces: "${answer}"`);
  return [...lines, `streamed in ${pieces} pieces: ${answer.trim().replaceAll('\n', ' ')}`];
}
