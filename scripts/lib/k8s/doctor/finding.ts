import { waitUntil } from '../../wait-until.js';

/** One thing that was looked at: in order, or what to do about it. */
export interface Finding {
  /** Such as `stage-1: layermesh_stage_busy_ratio is fresh`. */
  readonly what: string;
  /** Null when all is well. */
  readonly fix: string | null;
}

export const finding = (what: string, ok: boolean, fix: string): Finding => ({ what, fix: ok ? null : fix });

/** A line for a terminal. */
export const findingLine = ({ what, fix }: Finding): string =>
  fix === null ? `✓ ${what}` : `✗ ${what}: ${fix}`;

/** Looks again while there is something to fix, for at most `patienceMs`: what has just started passes by itself. */
export async function lookPatiently(
  look: () => Promise<Finding[]>,
  patienceMs: number,
  pauseMs = 3_000,
): Promise<Finding[]> {
  let findings!: Finding[];
  const isWell = async (): Promise<boolean> => {
    findings = await look();
    return findings.every(({ fix }) => fix === null);
  };
  await waitUntil(isWell, { every: pauseMs, limit: patienceMs - pauseMs });
  return findings;
}
