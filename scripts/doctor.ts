import { Command } from 'commander';
import { runCommand, stopSignal } from './lib/command.js';
import { checkAutoscalers } from './lib/k8s/doctor/autoscalers.js';
import { findingLine, lookPatiently, type Finding } from './lib/k8s/doctor/finding.js';
import { checkMovement } from './lib/k8s/doctor/movement.js';
import { checkPods } from './lib/k8s/doctor/pods.js';
import { Kubectl } from './lib/k8s/kubectl.js';
import { makeLoad, type LoadResult } from './lib/k8s/load.js';
import { portForward } from './lib/k8s/port-forward.js';
import { wholeNumber } from './lib/whole-number.js';

interface Options {
  readonly namespace: string;
  readonly load: boolean;
  readonly patience: number;
}

const GATEWAY_PORT = 8_000;
/** In which the metrics of a replica that has just started come to be: the adapter's window, and a scrape. */
const RATE_MS = 45_000;

await runCommand(
  new Command('doctor')
    .description('Looks whether a mesh in a cluster has what it needs, and says what to fix.')
    .option('--namespace <name>', 'of the mesh', 'layermesh')
    .option('--no-load', 'send no requests, so not whether metrics show load')
    .option('--patience <seconds>', 'until metrics must be there, and show load', wholeNumber(1, 3_600), 90)
    .action(doctor),
);

async function doctor({ namespace, load, patience }: Options): Promise<void> {
  const signal = stopSignal();
  const cluster = new Kubectl(namespace, signal);
  let broken = 0;
  const show = (findings: readonly Finding[]): void => {
    for (const each of findings) console.log(findingLine(each));
    broken += findings.filter(({ fix }) => fix !== null).length;
  };
  show(await checkPods(cluster, namespace));
  show(await lookPatiently(() => checkAutoscalers(cluster, namespace), Math.min(patience * 1000, RATE_MS)));
  if (broken === 0 && load) show(await withLoad(cluster, patience));
  console.log(broken === 0 ? 'all is well' : `${broken} to fix`);
  if (broken > 0) process.exitCode = 1;
}

/** What does not work at all need not be asked whether it moves. */
async function withLoad(cluster: Kubectl, patienceSeconds: number): Promise<Finding[]> {
  const gateway = await portForward(cluster.namespace, 'service/gateway', GATEWAY_PORT);
  const load = (signal: AbortSignal): Promise<LoadResult> =>
    makeLoad(gateway.url, { clients: 8, maxTokens: 64 }, signal);
  try {
    return await checkMovement(cluster, cluster.namespace, load, patienceSeconds * 1000);
  } finally {
    await gateway.close();
  }
}
