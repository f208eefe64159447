import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { runTool } from '../../../bootstrap/tool.mjs';
import { repositoryRoot } from '../../repository.js';

/** Runs kubectl to its end and returns what it wrote. Throws `process_failed` with that when it fails. */
export async function kubectl(args: readonly string[], signal?: AbortSignal): Promise<string> {
  const { code, output } = await runTool('kubectl', args, { cwd: repositoryRoot, signal }).catch(
    (reason: unknown) => {
      if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw reason;
      throw new ServingError('invalid_config', 'there is no kubectl', {
        hint: 'install kubectl, and let KUBECONFIG name a cluster',
      });
    },
  );
  if (code === 0) return output;
  throw new ServingError('process_failed', `kubectl ${args.slice(0, 2).join(' ')}: ${output.trim()}`);
}
