import { Command, InvalidArgumentError, Option } from 'commander';
import { MESH_NAME } from '../../../services/lib/config/app-id.js';
import type { Precision } from '../../../services/lib/engine/types.js';
import { callerPath, collect, count, precisionOption } from '../cli/options.js';

/** What the stages of an overlay are to be. */
export interface RenderOptions {
  /** Of a further model beside the one without a name, and where its prepared folder is in the pods; undefined of the first. */
  readonly name?: string;
  readonly prepared?: string;
  /** Boundaries such as `10,20`; empty: one stage. */
  readonly split: string;
  /** Such as `stage-1=2`. */
  readonly replicas: readonly string[];
  readonly maxReplicas: number;
  readonly autoscaler: 'hpa' | 'keda' | 'none';
  /** Whether KEDA takes a stage's last replica while nobody asks for anything. */
  readonly toZero: boolean;
  /** How long less load must last before a replica goes, seconds; left out: the base's. */
  readonly scaleDownAfter?: number;
  /** Kubernetes quantities, of all stages (`500m`) or of one (`stage-1=300m`), the later before the earlier. */
  readonly cpu: readonly string[];
  /** Where less is to be reserved than may be used. */
  readonly cpuRequest: readonly string[];
  readonly memory: readonly string[];
  readonly precision: Precision;
  /** More variables of every service, such as `LAYERMESH_KV_TOKENS=16384`. */
  readonly env: readonly string[];
  readonly namespace: string;
  readonly tag: string;
  readonly out: string;
}

/** Parses values of one form, and collects them. */
const each =
  (form: RegExp, such: string) =>
  (value: string, earlier: readonly string[]): string[] => {
    if (!form.test(value)) throw new InvalidArgumentError(`It must be of the form ${such}.`);
    return collect(value, earlier);
  };

const QUANTITY = /^([a-z][a-z0-9-]*-\d+=)?\d+(\.\d+)?(m|Ki|Mi|Gi)?$/;
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export function renderCommand(action: (options: RenderOptions) => Promise<void>): Command {
  return new Command('render')
    .description(
      'Writes the stages of a Kustomize overlay, and the rest of it where there is none yet; apply it with kubectl.',
    )
    .addOption(
      new Option('--name <name>', 'of a further model for the gateway of an overlay that is there').argParser(
        meshName,
      ),
    )
    .option('--prepared <folder>', 'with --name: where its weights are in the pods (default: /weights/NAME)')
    .option('--split <boundaries>', 'cut the model at these layers; "" is one stage', '10,20')
    .option('--replicas <stage=n>', 'least, or without autoscaler all, such as stage-1=2', collect, [])
    .addOption(count('--max-replicas <n>', 'of each stage', 4, [1, 1_000]))
    .addOption(
      new Option('--autoscaler <autoscaler>', 'who owns the replicas')
        .choices(['hpa', 'keda', 'none'])
        .default('hpa'),
    )
    .option('--to-zero', 'with KEDA: no replica at all while nobody asks', false)
    .addOption(count('--scale-down-after <seconds>', 'of less load', undefined, [0, 3_600]))
    .option('--cpu <quantity>', 'of all stages, or stage-1=300m', each(QUANTITY, '500m or stage-1=300m'), [])
    .option(
      '--cpu-request <quantity>',
      'likewise, where less is to be reserved than may be used',
      each(QUANTITY, '50m or stage-1=100m'),
      [],
    )
    .option('--memory <quantity>', 'likewise', each(QUANTITY, '768Mi or stage-1=1Gi'), [])
    .addOption(precisionOption())
    .option(
      '--env <name=value>',
      'of every service; may be repeated',
      each(/^[A-Z][A-Z0-9_]*=/, 'LAYERMESH_KV_TOKENS=16384'),
      [],
    )
    .addOption(
      new Option('--namespace <name>', 'of a new overlay').argParser(namespaceName).default('layermesh'),
    )
    .option('--tag <tag>', 'of the images of a new overlay', 'local')
    .option('--out <folder>', 'the overlay', callerPath, 'k8s/overlays/local')
    .action((options: RenderOptions) => {
      if (options.toZero && options.autoscaler !== 'keda')
        throw new InvalidArgumentError('--to-zero needs --autoscaler keda: no other wakes what is at zero.');
      if (options.prepared !== undefined && options.name === undefined)
        throw new InvalidArgumentError('--prepared is of a further model, which needs --name.');
      return action(options);
    });
}

function meshName(value: string): string {
  if (MESH_NAME.test(value)) return value;
  throw new InvalidArgumentError('It must be of at most 32 small letters, digits and "-", a letter first.');
}

function namespaceName(value: string): string {
  if (NAME.test(value)) return value;
  throw new InvalidArgumentError('It must be of at most 63 small letters, digits and "-".');
}

/** What a command line of `npm run k8s:render` asks for. Throws commander's error for one that cannot be. */
export function parseRenderOptions(args: readonly string[]): RenderOptions {
  let options: RenderOptions | undefined;
  const command = renderCommand((given) => {
    options = given;
    return Promise.resolve();
  });
  command
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .parse(args, { from: 'user' });
  return options!;
}
