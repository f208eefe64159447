import { availableThreads } from '../../../services/lib/engine/processors.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { freePorts } from '../ports.js';
import { planSystem } from '../plan-system.js';
import { locateModel } from '../prepare.js';
import { llamaServerArm } from './arms/llama-server-arm.js';
import { openVinoArm } from './arms/openvino-genai-arm.js';
import { ownArm } from './arms/own-arm.js';
import { urlArm } from './arms/url-arm.js';
import type { ArmName, BenchOptions, PeerName } from './bench-options.js';
import type { Arm } from './types.js';

/** What is compared, with everything that it takes made available first. */
export async function planArms(options: BenchOptions, signal: AbortSignal): Promise<Arm[]> {
  // First, for what is missing shall be told before a long step.
  const peers = options.compare.length === 0 ? [] : await planPeers(options, signal);
  if (options.url !== undefined) return [urlArm(options.url), ...peers];
  const own: Arm[] = [];
  for (const name of ownNames(options)) own.push(await planOwn(name, options, signal));
  return [...own, ...peers];
}

/** `split` is the one of `dapr` and `direct` that `--mesh` names; nothing is measured twice. */
export function ownNames(options: Pick<BenchOptions, 'arms' | 'mesh' | 'workload'>): OwnName[] {
  const arms = options.arms ?? (options.workload === 'bars' ? BAR_ARMS : ['split' as const]);
  return [...new Set(arms.map((name) => (name === 'split' ? options.mesh : name)))];
}

const BAR_ARMS = ['unsplit', 'direct', 'dapr', 'dapr-plain'] as const;

/** As peers are by default: a token at a time. */
const PLAIN = { LAYERMESH_SPECULATION: 'off' };

type OwnName = Exclude<ArmName, 'split'>;

async function planOwn(name: OwnName, options: BenchOptions, signal: AbortSignal): Promise<Arm> {
  const { model, stages, split, precision, threads } = options;
  const meshed = name === 'dapr' || name === 'dapr-plain';
  const cut =
    name === 'unsplit'
      ? { stages: 1 }
      : { ...(stages !== undefined && { stages }), ...(split !== undefined && { split }) };
  const plan = await planSystem(
    {
      ...cut,
      ...(model !== undefined && { model }),
      ...(threads !== undefined && { threads }),
      replicas: [],
      precision,
      mesh: meshed ? 'dapr' : 'direct',
      port: (await freePorts(1))[0]!,
      state: 'sqlite',
      detach: false,
      trace: false,
    },
    signal,
  );
  if (meshed && plan.daprd === null) {
    throw new ServingError('sidecar_missing', 'the mesh can not be measured without daprd', {
      hint: 'install Dapr 1.18 or Go, or leave it out with --mesh direct',
    });
  }
  return ownArm(name, name === 'dapr-plain' ? { ...plan, env: { ...plan.env, ...PLAIN } } : plan);
}

async function planPeers(options: BenchOptions, signal: AbortSignal): Promise<Arm[]> {
  const model = options.peerModel ?? (await locateModel(options.model, signal));
  const peer = { model, threads: options.threads ?? availableThreads(), python: options.peerPython };
  const make: Record<PeerName, () => Arm> = {
    'llama-server': () => llamaServerArm(peer),
    'openvino-genai': () => openVinoArm(peer),
  };
  return options.compare.map((name) => make[name]());
}
