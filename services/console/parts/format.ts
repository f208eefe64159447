/** Figures as people read them: three digits that count, and a unit. */

export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const seconds = Math.round(value / 1000);
  if (value >= 60_000) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (value >= 1_000) return `${digits(value / 1000)} s`;
  return `${digits(value)} ms`;
}

export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || size === 0) return Math.round(value).toLocaleString('en');
  return value.toFixed(size >= 10 ? 1 : 2);
}

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

export function bytes(value: number): string {
  if (value >= 2 ** 30) return `${digits(value / 2 ** 30)} GiB`;
  if (value >= 2 ** 20) return `${Math.round(value / 2 ** 20)} MiB`;
  return `${Math.round(value / 2 ** 10)} KiB`;
}

export function bytesPerSecond(value: number): string {
  if (value >= 1e6) return `${digits(value / 1e6)} MB/s`;
  if (value >= 1e3) return `${digits(value / 1e3)} kB/s`;
  return `${Math.round(value)} B/s`;
}

export const count = (value: number): string => value.toLocaleString('en');

/** Such as `12 s ago`. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3_600)} h ago`;
}

export const clock = (at: number): string => new Date(at).toLocaleTimeString('en-GB');

/** What a person can tell apart of an id. */
export const short = (id: string, length = 6): string => (id.length > length + 2 ? id.slice(0, length) : id);

/** Of replicas, whose names in a cluster are those of pods: all of one stage begin alike, and differ at the end. */
export const shortReplica = (id: string): string =>
  id.includes('-') && id.length > 8 ? id.slice(-6).replace(/^-+/, '') : short(id);

export const plural = (number: number, one: string, more = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : more}`;
