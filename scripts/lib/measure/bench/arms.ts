import { availableThreads } from '../../../../services/lib/engine/processors.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { planSystem } from '../../local/plan-system.js';
import { locateModel } from '../../model/prepare.js';
import { llamaNgramArm, llamaServerArm, openVinoArm } from '../sites/peers.js';
import { localArm } from '../sites/local-arm.js';
import { urlArm } from '../sites/url-arm.js';
import type { Arm } from '../types.js';
import type { ArmName, BenchOptions } from './options.js';

/** What is compared, with everything that it takes made available first. */
export async function planArms(options: BenchOptions, signal: AbortSignal): Promise<Arm[]> {
  if (options.engine === 'timed' && options.compare.length > 0) {
    throw new ServingError('invalid_config', 'what computes cannot be compared with what only takes time', {
      hint: 'leave out --compare, or --engine timed',
    });
  }
  // First, for what is missing shall be told before a long step.
  const peers = options.compare.length === 0 ? [] : await planPeers(options, signal);
  if (options.url !== undefined) return [urlArm(options.url), ...peers];
  const own: Arm[] = [];
  for (const name of ownNames(options)) own.push(await planOwn(name, options, signal));
  return [...own, ...peers];
}

const BAR_ARMS = ['unsplit', 'direct', 'dapr', 'dapr-plain'] as const;
type OwnName = Exclude<ArmName, 'split'>;

/** `split` is the one of `dapr` and `direct` that `--mesh` names; nothing is measured twice. */
export function ownNames(options: Pick<BenchOptions, 'arms' | 'mesh' | 'workload'>): OwnName[] {
  const arms = options.arms ?? (options.workload === 'bars' ? BAR_ARMS : ['split' as const]);
  return [...new Set(arms.map((name) => (name === 'split' ? options.mesh : name)))];
}

/** As peers are by default: a token at a time. */
const PLAIN = { LAYERMESH_SPECULATION: 'off' };

async function planOwn(name: OwnName, options: BenchOptions, signal: AbortSignal): Promise<Arm> {
  const { stages, split, ...others } = options;
  const cut =
    name === 'unsplit'
      ? { stages: 1 }
      : { ...(stages !== undefined && { stages }), ...(split !== undefined && { split }) };
  const mesh = name === 'dapr' || name === 'dapr-plain' ? 'dapr' : 'direct';
  const plan = await planSystem({ ...others, ...cut, mesh }, signal);
  if (mesh === 'dapr' && plan.daprd === null) {
    throw new ServingError('sidecar_missing', 'the mesh cannot be measured without daprd', {
      hint: 'install Dapr 1.18 or Go, or leave it out with --mesh direct',
    });
  }
  return localArm(name, name === 'dapr-plain' ? { ...plan, env: { ...plan.env, ...PLAIN } } : plan);
}

async function planPeers(options: BenchOptions, signal: AbortSignal): Promise<Arm[]> {
  const model = options.peerModel ?? (await locateModel(options.model, signal));
  const peer = { model, threads: options.threads ?? availableThreads(), python: options.peerPython };
  const make = {
    'llama-server': llamaServerArm,
    'llama-server-ngram': llamaNgramArm,
    'openvino-genai': openVinoArm,
  };
  return options.compare.map((name) => make[name](peer));
}
