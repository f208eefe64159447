import type { ComponentChildren } from 'preact';
import { ApiError } from '../state/api.js';

/** A share from 0 to 1 as a bar, with its words for whoever cannot see it. */
export function Meter({ share, label, strong = false }: { share: number; label: string; strong?: boolean }) {
  const width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return (
    <span class={strong ? 'meter strong' : 'meter'} role="img" aria-label={label} title={label}>
      <span style={{ width }} />
    </span>
  );
}

export function Figure({ label, value, hint }: { label: string; value: string; hint?: string | undefined }) {
  return (
    <div class="figure" title={hint}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** What stands where there is nothing yet, or something went wrong. */
export function Notice({
  title,
  tone = 'quiet',
  children,
}: {
  title: string;
  tone?: 'quiet' | 'bad';
  children?: ComponentChildren;
}) {
  return (
    <div class={`notice ${tone}`} role={tone === 'bad' ? 'alert' : undefined}>
      <strong>{title}</strong>
      {children !== undefined && <div>{children}</div>}
    </div>
  );
}

/** Why something cannot be shown that was asked for: most of it is for operators. */
export function Trouble({ what, error }: { what: string; error: Error }) {
  const locked = error instanceof ApiError && (error.status === 401 || error.status === 403);
  return locked ? (
    <Notice title={`${what} are for operators`}>They are shown with an operator's key.</Notice>
  ) : (
    <Notice title={`${what} cannot be had`} tone="bad">
      {error.message}
    </Notice>
  );
}

const PATHS = {
  chat: 'M4 5h16v11H9l-5 4z',
  mesh: 'M12 3 21 7.500 12 12 3 7.500zM3 12l9 4.500L21 12M3 16.500 12 21l9-4.500',
  requests: 'M4 6h9M8 12h9M12 18h8',
  load: 'M3 18l5-7 4 4 5-9 4 6',
  send: 'M5 12h14M13 6l6 6-6 6',
  stop: 'M7 7h10v10H7z',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  retry: 'M20 11a8 8 0 1 0-2.300 6.500M20 5v6h-6',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 4.500v5M8 14.500v5',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6 6 18',
  back: 'M19 12H5M11 6l-6 6 6 6',
  key: 'M14.500 9.500a4 4 0 1 0-1.300 3L15 14h2v2h2v2h2v-3l-6.200-4.500',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
