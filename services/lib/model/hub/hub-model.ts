import { join } from 'node:path';

/** A model on the Hub: `org/name`, or one GGUF file of it, `org/name:file.gguf`. */
export interface HubModel {
  readonly id: string;
  readonly file: string | undefined;
}

const SEGMENT = String.raw`\w[\w.-]*`;
const HUB_ID = new RegExp(`^(${SEGMENT}/${SEGMENT})(?::((?:${SEGMENT}/)*${SEGMENT}\\.gguf))?$`);

/**
 * Reads a Hub id; undefined for what must be a path. An id that ends in `.gguf` without a colon is taken for
 * the path of a file that is not there.
 */
export function parseHubModel(text: string): HubModel | undefined {
  const [, id, file] = HUB_ID.exec(text) ?? [];
  return id === undefined || id.endsWith('.gguf') ? undefined : { id, file };
}

/** Hugging Face's cache layout of one model, which its other tools share. */
interface HubCache {
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
