import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { kustomize } from '../../scripts/lib/k8s/kustomize.js';
import type { Manifest } from '../../scripts/lib/k8s/manifest.js';
import { renderCommand, type RenderOptions } from '../../scripts/lib/k8s/render-options.js';
import { writeOverlay } from '../../scripts/lib/k8s/write-overlay.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';

export const k8sFolder = join(repositoryRoot, 'k8s');

/** The options that a command line of `npm run k8s:render` gives. */
export async function renderOptions(args: readonly string[]): Promise<RenderOptions> {
  let options: RenderOptions | undefined;
  const command = renderCommand((given) => {
    options = given;
    return Promise.resolve();
  });
  await command
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .parseAsync(args, { from: 'user' });
  return options!;
}

/** The objects of a new overlay. It lies in the repository's own file tree, where relative paths lead to the base. */
export async function render(...args: string[]): Promise<Manifest[]> {
  const cache = join(repositoryRoot, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'overlay-'));
  try {
    await writeOverlay(folder, await renderOptions(args));
    return await kustomize(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
