import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat, truncate } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** What a log may grow to before it is cut, and what is kept of it then, bytes. */
const LIMIT = 32 << 20;
/** Between two looks at its size, ms. */
const LOOK_MS = 10_000;

export interface LogBounds {
  readonly limit?: number;
  readonly lookMs?: number;
}

/** Where the lines are that were cut from a log the last time. */
export const olderLog = (path: string): string => `${path}.1`;

/** Looks after a log that another process appends to, until the function returned is called. */
export function boundLog(path: string, { limit = LIMIT, lookMs = LOOK_MS }: LogBounds = {}): () => void {
  let cutting = false;
  const look = async (): Promise<void> => {
    if (cutting) return;
    cutting = true;
    // A log that cannot be looked at is none to end anything for; the next look may find it.
    await cutLog(path, limit).catch(() => undefined);
    cutting = false;
  };
  const looking = setInterval(() => void look(), lookMs).unref();
  return () => clearInterval(looking);
}

/**
 * Moves the last `limit` bytes of a log that has more into the older log, in the place of what was there. Whoever writes it has
 * it open to append, so the file stays the same and begins anew; lines that come in between are lost. Where there is no
 * room for the older log there is none: a full disk is worse.
 */
export async function cutLog(path: string, limit: number): Promise<void> {
  const { size } = await stat(path);
  if (size <= limit) return;
  const older = olderLog(path);
  // A process that writes faster than it is read must not keep this going.
  const from = createReadStream(path, { start: size - limit, end: size + limit });
  const moved = pipeline(from, createWriteStream(older));
  await moved.catch(() => rm(older, { force: true })).catch(() => undefined);
  await truncate(path);
}
