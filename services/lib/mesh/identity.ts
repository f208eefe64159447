import { ServingError } from '../errors/serving-error.js';
import type { Hello, Plan } from '../wire/gen/stage_pb.js';
import { PROTOCOL_VERSION } from '../wire/codec.js';

/** Who a process is, as it says in `Hello` and `Welcome`. */
export interface Identity {
  readonly appId: string;
  /** Of this process; unique among all replicas of all stages. */
  readonly replica: string;
  readonly host: string;
  readonly pid: number;
  readonly plan: AgreedPlan;
}

/** What every process of a mesh must agree on: two that differ would compute nonsense together. */
export type AgreedPlan = Pick<Plan, 'modelDigest' | 'precision' | 'activations' | 'split'>;

/** Throws `protocol_mismatch` unless the caller speaks our protocol and serves the same plan. */
export function checkHello(hello: Hello, own: AgreedPlan): void {
  const differs = (what: string, theirs: unknown, ours: unknown): ServingError =>
    new ServingError(
      'protocol_mismatch',
      `${hello.appId}/${hello.replica} has ${what} ${String(theirs)}, not ${String(ours)}`,
    );
  if (hello.version !== PROTOCOL_VERSION) throw differs('protocol version', hello.version, PROTOCOL_VERSION);
  const theirs = hello.plan;
  if (theirs?.modelDigest !== own.modelDigest) throw differs('model', theirs?.modelDigest, own.modelDigest);
  if (theirs.precision !== own.precision) throw differs('precision', theirs.precision, own.precision);
  if (theirs.activations !== own.activations)
    throw differs('activations', theirs.activations, own.activations);
  if (String(theirs.split) !== String(own.split))
    throw differs('split', `[${String(theirs.split)}]`, `[${String(own.split)}]`);
}
