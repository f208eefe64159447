import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { cacheDirectory } from '../../services/lib/config/config.js';
import { runStep } from '../bootstrap/step.mjs';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { wholeNumber } from '../lib/cli/options.js';
import { DeployedMesh, removeDisposable } from '../lib/k8s/deploy.js';
import { checkAutoscalers } from '../lib/k8s/doctor/autoscalers.js';
import { findingLine, lookPatiently, type Finding } from '../lib/k8s/doctor/finding.js';
import { checkMovement } from '../lib/k8s/doctor/movement.js';
import { checkPods } from '../lib/k8s/doctor/pods.js';
import { caseOf, casesOption, UNEVEN, type CaseName } from '../lib/k8s/e2e/cases.js';
import { scaleDowns } from '../lib/k8s/e2e/replicas.js';
import { prepareImages } from '../lib/k8s/images.js';
import { forwardGateway, Kubectl } from '../lib/k8s/kubectl.js';
import { makeLoad, type LoadResult } from '../lib/k8s/load.js';
import { writeOverlay } from '../lib/k8s/overlay.js';
import { parseRenderOptions, renderCommand, type RenderOptions } from '../lib/k8s/render-options.js';
import { reactionTable } from '../lib/measure/reaction/page.js';
import { measureReactions, type ReactionRound } from '../lib/measure/reaction/run-reactions.js';
import { ClusterApi } from '../lib/measure/sites/cluster-api.js';

await runCommand(
  new Command('k8s')
    .description('The mesh in a Kubernetes cluster: its manifests, what it lacks, and whether it holds.')
    .addCommand(renderCommand(render))
    .addCommand(
      new Command('doctor')
        .description('Looks whether a mesh in a cluster has what it needs, and says what to fix.')
        .option('--namespace <name>', 'of the mesh', 'layermesh')
        .option('--no-load', 'send no requests, so not whether metrics show load')
        .option(
          '--patience <seconds>',
          'until metrics must be there, and show load',
          wholeNumber(1, 3_600),
          90,
        )
        .action(doctor),
    )
    .addCommand(
      new Command('e2e')
        .description('Deploys the mesh to the cluster of KUBECONFIG, tries it, and removes it again.')
        .option('--namespace <name>', 'made for this', 'layermesh-e2e')
        .option('--tag <tag>', 'of the images', 'e2e')
        .option('--images-ready', 'the cluster has the images already', false)
        .addOption(casesOption())
        .option('--keep', 'leave the mesh in place', false)
        .action(e2e),
    )
    .addCommand(
      new Command('reaction')
        .description('Measures how soon a further replica serves after load has risen, part by part.')
        .argument('[render...]', 'options of k8s:render, after --', [...UNEVEN])
        .option('--namespace <name>', 'made for this', 'layermesh-reaction')
        .option('--tag <tag>', 'of the images', 'e2e')
        .option('--images-ready', 'the cluster has the images already', false)
        .option('--rounds <n>', 'rises of load', wholeNumber(1, 100), 10)
        .option('--clients <n>', 'requests at once', wholeNumber(1, 1_000), 48)
        .option('--max-tokens <n>', 'of each request', wholeNumber(1, 4_096), 48)
        .option('--no-scale-downs', 'without twenty scale-downs under load afterwards')
        .option('--keep', 'leave the mesh in place', false)
        .action(reaction),
    ),
);

async function render(options: RenderOptions): Promise<void> {
  const folder = resolve(options.out);
  await writeOverlay(folder, options);
  console.log(folder);
}

interface DoctorOptions {
  readonly namespace: string;
  readonly load: boolean;
  readonly patience: number;
}

async function doctor({ namespace, load, patience }: DoctorOptions): Promise<void> {
  const cluster = new Kubectl(namespace, stopSignal());
  // In which the metrics of a replica that has just started come to be: the adapter's window, and a scrape.
  const rateMs = 45_000;
  let broken = 0;
  const show = (findings: readonly Finding[]): void => {
    for (const each of findings) console.log(findingLine(each));
    broken += findings.filter(({ fix }) => fix !== null).length;
  };
  show(await checkPods(cluster, namespace));
  show(await lookPatiently(() => checkAutoscalers(cluster, namespace), Math.min(patience * 1000, rateMs)));
  // What does not work at all need not be asked whether it moves.
  if (broken === 0 && load) show(await withLoad(cluster, patience));
  console.log(broken === 0 ? 'all is well' : `${broken} to fix`);
  if (broken > 0) process.exitCode = 1;
}

async function withLoad(cluster: Kubectl, patienceSeconds: number): Promise<Finding[]> {
  const gateway = await forwardGateway(cluster.namespace);
  const load = (signal: AbortSignal): Promise<LoadResult> =>
    makeLoad(gateway.url, { clients: 8, maxTokens: 64 }, signal);
  try {
    return await checkMovement(cluster, cluster.namespace, load, patienceSeconds * 1000);
  } finally {
    await gateway.close();
  }
}

interface E2eOptions {
  readonly namespace: string;
  readonly tag: string;
  readonly imagesReady: boolean;
  readonly cases: readonly CaseName[];
  readonly keep: boolean;
}

async function e2e({ namespace, tag, imagesReady, cases, keep }: E2eOptions): Promise<void> {
  const signal = stopSignal();
  if (!imagesReady) await prepareImages(tag, signal);
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

interface ReactionOptions extends Pick<E2eOptions, 'namespace' | 'tag' | 'imagesReady' | 'keep'> {
  readonly rounds: number;
  readonly clients: number;
  readonly maxTokens: number;
  readonly scaleDowns: boolean;
}

async function reaction(render: readonly string[], given: ReactionOptions): Promise<void> {
  const { namespace, tag, imagesReady, rounds: count, clients, maxTokens, keep } = given;
  const signal = stopSignal();
  const options = parseRenderOptions([...render, '--namespace', namespace, '--tag', tag]);
  if (!imagesReady) await prepareImages(tag, signal);
  const closers: (() => Promise<unknown>)[] = keep ? [] : [() => removeDisposable(namespace)];
  try {
    const mesh = await runStep('deployed', () => DeployedMesh.deploy(options, signal));
    closers.push(() => mesh.close());
    const api = await ClusterApi.open(join(cacheDirectory(), 'kubectl-proxy.log'), signal);
    closers.push(() => api.close());
    const plan = { split: options.split, rounds: count, load: { clients, maxTokens } };
    const rounds: ReactionRound[] = [];
    for await (const round of measureReactions(mesh, api, plan, signal)) {
      rounds.push(round);
      console.log(`round ${rounds.length} of ${count}: ${round.reaction === null ? 'no reaction' : 'done'}`);
      for (const failure of new Set(round.failures)) console.log(`  failed: ${failure}`);
    }
    console.log(`\n${reactionTable(rounds)}\n`);
    if (given.scaleDowns) {
      // Else they would bring back what is taken.
      await mesh.kubectl.run(['delete', 'horizontalpodautoscalers', '--all']);
      for (const line of await runStep('scale-downs', () => scaleDowns(mesh))) console.log(`  ${line}`);
    }
    const isWell = rounds.every(({ reaction: each, failures }) => each !== null && failures.length === 0);
    if (!isWell) process.exitCode = 1;
  } finally {
    await closeAll(closers.reverse());
  }
}

/** Each, whatever becomes of those before it; throws what failed first. */
async function closeAll([close, ...others]: readonly (() => Promise<unknown>)[]): Promise<void> {
  try {
    await close?.();
  } finally {
    if (others.length > 0) await closeAll(others);
  }
}

async function tryCase(
  name: CaseName,
  { namespace, tag }: Pick<E2eOptions, 'namespace' | 'tag'>,
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
