import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { streamChat } from '../../cli/chat-stream.js';
import type { DeployedMesh } from '../deploy.js';
import { expect } from '../kubectl.js';
import { appIdOf, hasNativeSidecar, sidecarOf, statusesOf } from '../objects.js';

/** Every stage has its sidecar beside it, they talk by mTLS only, and an answer streams through them all. */
export async function firstAnswer(mesh: DeployedMesh, signal: AbortSignal): Promise<string[]> {
  const pods = await mesh.pods();
  const lines = pods.map((pod) => {
    const sidecar = sidecarOf(pod);
    expect(sidecar?.ready === true, `${pod.metadata.name} has no sidecar that is ready`);
    const all = statusesOf(pod);
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

/** On which sidecars talk to each other. */
const INTERNAL_PORT = 50_002;

/** What a stranger in the cluster finds on a sidecar's internal port. */
interface Encounter {
  /** The identity in its certificate. */
  readonly identity: string;
  readonly protocol: string;
  /** What comes of a call without encryption, and of one without a certificate of one's own. */
  readonly plain: string;
  readonly anonymous: string;
}

/**
 * Knocks, from the gateway's container, at the internal port of every stage's sidecar: it must show the stage's own
 * identity, and serve nobody who does not encrypt or has no identity. Throws `cluster_failed` otherwise.
 */
async function proveMtls(mesh: DeployedMesh): Promise<string[]> {
  const stages = (await mesh.pods()).filter((pod) => appIdOf(pod) !== 'gateway');
  const lines: string[] = [];
  for (const pod of stages) {
    const found = await knock(mesh, pod.status.podIP!);
    const expected = `spiffe://public/ns/${mesh.namespace}/${appIdOf(pod)}`;
    if (found.identity !== expected || found.plain !== 'refused' || found.anonymous !== 'refused') {
      throw new ServingError('cluster_failed', `${pod.metadata.name}: no mTLS: ${JSON.stringify(found)}`);
    }
    lines.push(`${pod.metadata.name} is ${found.identity} (${found.protocol}); strangers are refused`);
  }
  return lines;
}

async function knock(mesh: DeployedMesh, address: string): Promise<Encounter> {
  const program = `(${stranger.toString()})('${address}', ${INTERNAL_PORT})`;
  const command = ['exec', 'deployment/gateway', '--container', 'gateway', '--', 'node', '-e', program];
  return JSON.parse(await mesh.kubectl.run(command)) as Encounter;
}

/** Runs in the gateway's container, so it knows nothing of this file. */
async function stranger(host: string, port: number): Promise<void> {
  const { connect: connectTls } = await import('node:tls');
  const { connect } = await import('node:http2');
  const greet = new Promise<{ identity: string; protocol: string }>((resolve, reject) => {
    const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      const names = socket.getPeerCertificate().subjectaltname ?? '';
      resolve({ identity: names.replace('URI:', ''), protocol: socket.getProtocol() ?? '' });
      socket.destroy();
    });
    socket.on('error', reject);
  });
  const call = (scheme: string): Promise<string> =>
    new Promise((resolve) => {
      const refused = (): void => resolve('refused');
      const session = connect(`${scheme}://${host}:${port}`, { rejectUnauthorized: false });
      session
        .on('error', refused)
        .on('close', refused)
        .setTimeout(5_000, () => session.destroy());
      const request = session.request({
        ':path': '/',
        ':method': 'POST',
        'content-type': 'application/grpc',
      });
      request.on('error', refused).on('response', () => resolve('answered'));
      request.end();
    });
  const found = { ...(await greet), plain: await call('http'), anonymous: await call('https') };
  process.stdout.write(JSON.stringify(found), () => process.exit(0));
}
