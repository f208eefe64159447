import { Command } from 'commander';
import { runStep } from './bootstrap/step.mjs';
import { runCommand, stopSignal } from './lib/command.js';
import { DeployedMesh } from './lib/k8s/deployed-mesh.js';
import { removeDisposable } from './lib/k8s/disposable.js';
import { caseOf, casesOption, type CaseName } from './lib/k8s/e2e/cases.js';
import { buildImages } from './lib/k8s/images.js';
import { parseRenderOptions } from './lib/k8s/render-options.js';
import { locateModel, prepare } from './lib/prepare.js';

interface Options {
  readonly namespace: string;
  readonly tag: string;
  readonly imagesReady: boolean;
  readonly cases: readonly CaseName[];
  readonly keep: boolean;
}

await runCommand(
  new Command('e2e-k8s')
    .description('Deploys the mesh to the cluster of KUBECONFIG, tries it, and removes it again.')
    .option('--namespace <name>', 'made for this', 'layermesh-e2e')
    .option('--tag <tag>', 'of the images', 'e2e')
    .option('--images-ready', 'the cluster has the images already', false)
    .addOption(casesOption())
    .option('--keep', 'leave the mesh in place', false)
    .action(e2e),
);

async function e2e({ namespace, tag, imagesReady, cases, keep }: Options): Promise<void> {
  const signal = stopSignal();
  if (!imagesReady) {
    const { directory: prepared } = await prepare(await locateModel(undefined, signal), 'int8', signal);
    await runStep('images', () => buildImages({ tag, prepared, precision: 'int8' }, signal));
  }
  let deployed: readonly string[] | null = null;
  try {
    for (const name of cases) {
      const { mesh: args } = caseOf(name);
      // What an earlier mesh had and this one has not would stay.
      if (args !== null && args !== deployed) await runStep('removed', () => removeDisposable(namespace));
      deployed = args ?? deployed;
      const lines = await runStep(name, () => tryCase(name, { namespace, tag }, signal));
      for (const line of lines) console.log(`  ${line}`);
    }
  } finally {
    if (!keep) await runStep('removed', () => removeDisposable(namespace));
  }
}

async function tryCase(
  name: CaseName,
  { namespace, tag }: Pick<Options, 'namespace' | 'tag'>,
  signal: AbortSignal,
): Promise<string[]> {
  const found = caseOf(name);
  if (found.mesh === null) return found.run(signal);
  const options = parseRenderOptions([...found.mesh, '--namespace', namespace, '--tag', tag]);
  const mesh = await DeployedMesh.deploy(options, signal);
  try {
    return await found.run(mesh, signal);
  } finally {
    await mesh.close();
  }
}
