import { join } from 'node:path';

/** Hugging Face's cache layout of one model, which its other tools share. */
export interface HubCache {
  /** Content by its hash. */
  readonly blobs: string;
  /** Named links into `blobs`, a folder per commit. */
  readonly snapshots: string;
  /** Holds the commit of the branch `main`. */
  readonly main: string;
}

export function hubCache(root: string, id: string): HubCache {
  const folder = join(root, `models--${id.replaceAll('/', '--')}`);
  return {
    blobs: join(folder, 'blobs'),
    snapshots: join(folder, 'snapshots'),
    main: join(folder, 'refs', 'main'),
  };
}

/** The Hub id of the model whose snapshot a folder is, if it is one: its own name is only a commit. */
export function snapshotModel(path: string): string | undefined {
  const folder = /models--([^\\/]+)[\\/]snapshots[\\/][0-9a-f]{40}[\\/]?$/.exec(path)?.[1];
  return folder?.replace('--', '/');
}
