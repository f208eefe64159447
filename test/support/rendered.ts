import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parse, stringify } from 'yaml';
import { kustomize } from '../../scripts/lib/k8s/kubectl.js';
import type { Manifest } from '../../scripts/lib/k8s/objects.js';
import { parseRenderOptions } from '../../scripts/lib/k8s/render-options.js';
import { writeOverlay } from '../../scripts/lib/k8s/overlay.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';

export const k8sFolder = join(repositoryRoot, 'k8s');

/** The objects of a new overlay. */
export const render = (...args: string[]): Promise<Manifest[]> => renderWith([], ...args);

/** With these components of k8s/components besides. It lies in the repository's own tree, from which relative paths lead to the base. */
export async function renderWith(components: readonly string[], ...args: string[]): Promise<Manifest[]> {
  const cache = join(repositoryRoot, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'overlay-'));
  try {
    await writeOverlay(folder, parseRenderOptions(args));
    const path = join(folder, 'kustomization.yaml');
    const overlay = parse(await readFile(path, 'utf8')) as { components: string[] };
    overlay.components.push(
      ...components.map((name) => relative(folder, join(k8sFolder, 'components', name))),
    );
    await writeFile(path, stringify(overlay));
    return await kustomize(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
