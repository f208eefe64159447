import { randomUUID } from 'node:crypto';
import { rename, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * Makes a prepared folder the one that services take when they are told of none: `shards/default` links to it.
 * Replaced in one step, so a service that starts meanwhile finds the old one or the new one.
 */
export async function setDefaultModel(prepared: string): Promise<void> {
  const shards = join(prepared, '..');
  const link = join(shards, `.default-${randomUUID()}`);
  await symlink(basename(prepared), link);
  await rename(link, join(shards, 'default'));
}
