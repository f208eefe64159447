import { ServingError } from '../errors/serving-error.js';
import { PROTOCOL_VERSION } from '../wire/codec.js';
import type { Hello, Plan } from '../wire/gen/stage_pb.js';

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

const PARTS = ['protocol', 'model', 'precision', 'activations', 'split'] as const;

/**
 * The plan that a process serves, as the registry shows it: who reads it knows beforehand who can talk to whom, and
 * can say why not, which a link that is refused does not.
 */
export type AnnouncedPlan = Readonly<Record<(typeof PARTS)[number], string>>;

export const announcedPlan = ({ modelDigest, precision, activations, split }: AgreedPlan): AnnouncedPlan => ({
  protocol: String(PROTOCOL_VERSION),
  model: modelDigest.slice(0, 12),
  precision,
  activations,
  split: split.length === 0 ? 'none' : split.join(),
});

/** Such as `split 8,20 instead of 10,20`; null where the two can talk. */
export function difference(theirs: AnnouncedPlan, ours: AnnouncedPlan): string | null {
  const parts = PARTS.filter((part) => theirs[part] !== ours[part]);
  if (parts.length === 0) return null;
  return parts.map((part) => `${part} ${theirs[part]} instead of ${ours[part]}`).join(', ');
}

/** Undefined for what is none, such as the entry of a version that did not announce it. */
export function parseAnnouncedPlan(value: unknown): AnnouncedPlan | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const plan = value as Partial<Record<string, unknown>>;
  return PARTS.every((part) => typeof plan[part] === 'string') ? (plan as AnnouncedPlan) : undefined;
}
