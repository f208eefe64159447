import type { MessageInitShape } from '@bufbuild/protobuf';
import { ServingError } from '../errors/serving-error.js';
import { PROTOCOL_VERSION } from '../wire/codec.js';
import type { Hello, HelloSchema, Plan } from '../wire/gen/stage_pb.js';

/** Who a process is, as it says in `Hello`, `Welcome` and `Invite`. */
export interface Identity {
  readonly appId: string;
  /** Of this process; unique among all replicas of all stages. */
  readonly replica: string;
  readonly host: string;
  readonly pid: number;
  readonly plan: AgreedPlan;
}

/** What a process says first on a stream that it opens: `Hello` as a caller, `Invite` as a callee. */
export const introduce = (
  { appId, replica, plan }: Identity,
  traceparent: string,
): MessageInitShape<typeof HelloSchema> => ({
  version: PROTOCOL_VERSION,
  appId,
  replica,
  plan,
  traceparent,
});

/** What every process of a mesh must agree on: two that differ would compute nonsense together. */
export type AgreedPlan = Pick<Plan, 'modelDigest' | 'precision' | 'activations' | 'split'>;

/** Why we have nothing to do with whoever says this of itself: another protocol or plan than ours; null where it agrees. */
export function misfitOf(hello: Hello, own: AgreedPlan): ServingError | null {
  const differs = (what: string, theirs: unknown, ours: unknown): ServingError =>
    new ServingError(
      'protocol_mismatch',
      `${hello.appId}/${hello.replica} has ${what} ${String(theirs)}, not ${String(ours)}`,
    );
  if (hello.version !== PROTOCOL_VERSION) return differs('protocol version', hello.version, PROTOCOL_VERSION);
  const theirs = hello.plan;
  if (theirs?.modelDigest !== own.modelDigest) return differs('model', theirs?.modelDigest, own.modelDigest);
  if (theirs.precision !== own.precision) return differs('precision', theirs.precision, own.precision);
  if (theirs.activations !== own.activations)
    return differs('activations', theirs.activations, own.activations);
  if (String(theirs.split) !== String(own.split))
    return differs('split', `[${String(theirs.split)}]`, `[${String(own.split)}]`);
  return null;
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
function difference(theirs: AnnouncedPlan, ours: AnnouncedPlan): string | null {
  const parts = PARTS.filter((part) => theirs[part] !== ours[part]);
  if (parts.length === 0) return null;
  return parts.map((part) => `${part} ${theirs[part]} instead of ${ours[part]}`).join(', ');
}

/**
 * Why one who announced this has no use for what serves our plan; null where it serves ours among others, or does not say
 * what it serves.
 */
export function misfitOfRecord(
  {
    plan,
    furtherPlans = [],
  }: { readonly plan?: AnnouncedPlan | undefined; readonly furtherPlans?: readonly AnnouncedPlan[] },
  ours: AnnouncedPlan,
): string | null {
  const differences = plan === undefined ? [] : [plan, ...furtherPlans].map((each) => difference(each, ours));
  return differences.includes(null) || differences.length === 0 ? null : differences.join(' or ');
}

/** Undefined for what is none, such as the entry of a version that did not announce it. */
export function parseAnnouncedPlan(value: unknown): AnnouncedPlan | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const plan = value as Partial<Record<string, unknown>>;
  return PARTS.every((part) => typeof plan[part] === 'string') ? (plan as AnnouncedPlan) : undefined;
}
