import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { repositoryRoot } from '../repository.js';
import type { RenderOptions } from './render-options.js';
import {
  furtherComponent,
  gatewayComponent,
  sharedName,
  stageKustomization,
  stageSettings,
  text,
} from './stage-overlay.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';

const k8s = join(repositoryRoot, 'k8s');

/**
 * Writes the stages of the overlay in `folder`, and the rest of the overlay unless it has a kustomization already,
 * which is then the reader's own. A further model is for one that there is: throws `invalid_config` where there is none.
 */
export async function writeOverlay(folder: string, options: RenderOptions): Promise<void> {
  const stages = stageFiles(folder, options);
  const isThere = existsSync(join(folder, 'kustomization.yaml'));
  if (options.name !== undefined && !isThere) {
    throw new ServingError(
      'invalid_config',
      `${folder} is no overlay that a further model could be served by`,
      {
        hint: 'render the first model, without --name, before',
      },
    );
  }
  const own = isThere ? new Map() : overlayFiles(folder, options);
  await rm(join(folder, stagesFolder(options)), { recursive: true, force: true });
  for (const [name, content] of [...stages, ...own] as [string, string][]) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}

/** Of a model in its overlay. */
const stagesFolder = ({ name }: RenderOptions): string => (name === undefined ? 'stages' : `stages-${name}`);

/** The generated files by their paths in the overlay. */
export function stageFiles(folder: string, options: RenderOptions): Map<string, string> {
  const settings = stageSettings(options);
  const files = new Map<string, string>();
  const stages = stagesFolder(options);
  const { name: model } = options;
  const shared = sharedVariables(options);
  files.set(
    `${stages}/kustomization.yaml`,
    `# Written by: ${commandLine(folder, options)}\n# Change the command and run it again, not this folder.\n${text(
      {
        apiVersion: 'kustomize.config.k8s.io/v1beta1',
        kind: 'Kustomization',
        resources: settings.map(({ appId }) => appId),
        // With a digest in its name, so that another split replaces the pods.
        configMapGenerator: [{ name: sharedName(model), literals: shared }],
      },
    )}`,
  );
  const gateway =
    model === undefined ? gatewayComponent(settings) : furtherComponent(model, settings, options, shared);
  files.set(`${stages}/gateway/kustomization.yaml`, text(gateway));
  for (const stage of settings) {
    const name = `${stages}/${stage.appId}/kustomization.yaml`;
    const from = join(folder, dirname(name));
    const base = relative(from, join(k8s, 'base', 'stage'));
    const keda = relative(from, join(k8s, 'components', 'keda'));
    files.set(name, text(stageKustomization(stage, options, { base, keda })));
  }
  return files;
}

/** What every process must be told alike. Throws `invalid_config` for a variable that would be told in vain. */
function sharedVariables({ split, precision, env }: RenderOptions): string[] {
  const vain = env
    .map((variable) => variable.slice(0, variable.indexOf('=')))
    .find((name) => SAID_BY_MANIFESTS.has(name));
  if (vain !== undefined) {
    throw new ServingError('invalid_config', `--env ${vain}: the manifests say that themselves`, {
      hint: "patch the Deployments in the overlay's kustomization.yaml, and what goes with it there",
    });
  }
  return [`LAYERMESH_SPLIT=${split}`, `LAYERMESH_PRECISION=${precision}`, 'LAYERMESH_MESH=dapr', ...env];
}

/** Of a container its own variables go before those that all share. */
const SAID_BY_MANIFESTS: ReadonlySet<string> = new Set([
  'APP_ID',
  'APP_PORT',
  'APP_API_TOKEN',
  'DAPR_API_TOKEN',
  'LAYERMESH_DRAIN_SECONDS',
  'LAYERMESH_HOST',
  'LAYERMESH_HTTP_HOST',
  'LAYERMESH_HTTP_PORT',
  'LAYERMESH_MESH',
  'LAYERMESH_MESH_TOKEN',
  'LAYERMESH_PORT',
  'LAYERMESH_PRECISION',
  'LAYERMESH_PREPARED',
  'LAYERMESH_REPLICA',
  'LAYERMESH_SPLIT',
]);

/** What lets the gateway serve everyone who reaches it. */
export const INSECURE = 'LAYERMESH_INSECURE=1';

/** An overlay to start from: like k8s/overlays/local, with keys unless it is to do without. */
function overlayFiles(folder: string, options: RenderOptions): Map<string, string> {
  const { namespace, tag, autoscaler, env } = options;
  const components = [
    'redis',
    'tokens',
    ...(autoscaler === 'keda' ? ['external-scaler'] : []),
    ...(env.includes(INSECURE) ? [] : ['keys']),
  ];
  const from = (...path: string[]): string => relative(folder, join(k8s, ...path));
  const labels = Object.fromEntries(
    ['enforce', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']),
  );
  return new Map([
    ['namespace.yaml', text({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } })],
    [
      'kustomization.yaml',
      text({
        apiVersion: 'kustomize.config.k8s.io/v1beta1',
        kind: 'Kustomization',
        namespace,
        resources: ['namespace.yaml', from('base'), 'stages'],
        components: [...components.map((name) => from('components', name)), 'stages/gateway'],
        images: ['gateway', 'stage'].map((image) => ({ name: `layermesh/${image}`, newTag: tag })),
        replacements: [namespaceOfOpeners],
        sortOptions: sidecarsLast,
      }),
    ],
  ]);
}

/** Who may open links is said with the namespace that it is in: that of the overlay, whichever it is. */
const namespaceOfOpeners = {
  source: { kind: 'Configuration', name: 'gateway', fieldPath: 'metadata.namespace' },
  targets: [
    {
      select: { kind: 'Configuration' },
      fieldPaths: ['spec.accessControl.policies.*.namespace'],
    },
  ],
};

/** A sidecar reads what is there when it starts, so Dapr's objects come before the pods. */
const sidecarsLast = {
  order: 'legacy',
  legacySortOptions: {
    orderFirst: ['Namespace', 'Component', 'Configuration', 'Resiliency', 'ServiceAccount', 'ConfigMap'],
    orderLast: [],
  },
};

/** The command that writes the same again. */
export function commandLine(folder: string, options: RenderOptions): string {
  const repeated = (name: string, values: readonly string[]): string[] =>
    values.flatMap((value) => [`--${name}`, quoted(value)]);
  const path = relative(repositoryRoot, folder);
  return [
    'npm run k8s:render --',
    ...(options.name === undefined ? [] : [`--name ${options.name}`]),
    ...(options.prepared === undefined ? [] : ['--prepared', quoted(options.prepared)]),
    '--split',
    quoted(options.split),
    ...repeated('replicas', options.replicas),
    `--max-replicas ${options.maxReplicas} --autoscaler ${options.autoscaler}`,
    ...(options.toZero ? ['--to-zero'] : []),
    ...(options.scaleDownAfter === undefined ? [] : [`--scale-down-after ${options.scaleDownAfter}`]),
    ...repeated('cpu', options.cpu),
    ...repeated('cpu-request', options.cpuRequest),
    ...repeated('memory', options.memory),
    `--precision ${options.precision}`,
    ...repeated('env', options.env),
    ...(options.autoscaler === 'keda' ? [`--namespace ${options.namespace}`] : []),
    '--out',
    path.startsWith('..') ? quoted(folder) : path,
  ].join(' ');
}

const quoted = (value: string): string => (/^[\w.,=/:-]+$/.test(value) ? value : `'${value}'`);
