import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { kustomize } from '../../scripts/lib/k8s/kustomize.js';
import type { Manifest } from '../../scripts/lib/k8s/manifest.js';
import { parseRenderOptions } from '../../scripts/lib/k8s/render-options.js';
import { writeOverlay } from '../../scripts/lib/k8s/write-overlay.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';

export const k8sFolder = join(repositoryRoot, 'k8s');

/** The objects of a new overlay. It lies in the repository's own file tree, where relative paths lead to the base. */
export async function render(...args: string[]): Promise<Manifest[]> {
  const cache = join(repositoryRoot, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'overlay-'));
  try {
    await writeOverlay(folder, parseRenderOptions(args));
    return await kustomize(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
