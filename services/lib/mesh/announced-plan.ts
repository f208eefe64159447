import { PROTOCOL_VERSION } from '../wire/codec.js';
import type { AgreedPlan } from './identity.js';

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
