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
