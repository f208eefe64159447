import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { Manifest } from './manifest.js';

const run = promisify(execFile);

/** kubectl's own, the program itself, or the latter built by Go, which takes a minute the first time. */
const BUILDERS = [
  ['kubectl', 'kustomize'],
  ['kustomize', 'build'],
  ['go', 'run', 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1', 'build'],
] as const;

const MAX_BYTES = 64 << 20;

/** The objects that an overlay is. Throws `invalid_config` with Kustomize's reason when it does not build. */
export async function kustomize(folder: string): Promise<Manifest[]> {
  for (const [program, ...args] of BUILDERS) {
    try {
      const { stdout } = await run(program, [...args, folder], { maxBuffer: MAX_BYTES });
      return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
    } catch (error) {
      const { code, stderr } = error as { code?: string | number; stderr?: string };
      if (code === 'ENOENT') continue;
      throw new ServingError('invalid_config', `${folder}: ${stderr ?? String(error)}`, {
        hint: 'it is no overlay, or a file of it is not what Kustomize expects',
      });
    }
  }
  throw new ServingError('invalid_config', 'there is neither kubectl nor kustomize, nor Go to build it', {
    hint: 'install kubectl, https://kubernetes.io/docs/tasks/tools',
  });
}
