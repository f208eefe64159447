import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { Precision } from '../../../services/lib/engine/types.js';
import { runStep } from '../../bootstrap/step.mjs';
import { runTool } from '../../bootstrap/tool.mjs';
import { locateModel, prepare } from '../model/prepare.js';
import { repositoryRoot } from '../repository.js';
import { Kubectl } from './kubectl.js';

interface ImageOptions {
  readonly tag: string;
  /** Folder of the prepared model, which goes into the images. */
  readonly prepared: string;
  readonly precision: Precision;
}

interface Build {
  readonly name: string;
  readonly file: string;
  readonly target: string;
  readonly context: string;
  readonly args: Readonly<Record<string, string>>;
}

const SERVICES = [
  { service: 'gateway', weights: 'text' },
  { service: 'stage', weights: 'baked' },
] as const;

/**
 * Builds the images of both services with the weights in them, and hands them to the cluster. `docker build` builds,
 * and `kind load` hands over; for another builder or cluster, LAYERMESH_IMAGE_BUILDER names a program that does both,
 * called with the arguments that `docker build` would get.
 */
export async function buildImages(options: ImageOptions, signal: AbortSignal): Promise<void> {
  const handOver = await handOverTo(signal);
  for (const { service, weights } of SERVICES) {
    const code = `layermesh/${service}:${options.tag}-code`;
    const whole = `layermesh/${service}:${options.tag}`;
    await build(
      { name: code, file: 'Dockerfile', target: service, context: repositoryRoot, args: {} },
      signal,
    );
    const args = { BASE_IMAGE: code, PRECISION: options.precision };
    const context = await realpath(options.prepared);
    await build({ name: whole, file: 'weights.Dockerfile', target: weights, context, args }, signal);
    await handOver?.(whole);
  }
}

/** The same of the demo model, which is prepared first, as a step of a command. */
export async function prepareImages(tag: string, signal: AbortSignal): Promise<void> {
  const { directory: prepared } = await prepare(await locateModel(undefined, signal), 'int8', signal);
  await runStep('images', () => buildImages({ tag, prepared, precision: 'int8' }, signal));
}

const builder = (): string | undefined => process.env['LAYERMESH_IMAGE_BUILDER'];

async function build({ name, file, target, context, args }: Build, signal: AbortSignal): Promise<void> {
  const dockerfile = join(repositoryRoot, 'k8s', file);
  const values = Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
  const options = ['--tag', name, '--file', dockerfile, '--target', target, ...values, context];
  const own = builder();
  if (own === undefined) await run('docker', ['build', ...options], signal);
  else await run(own, options, signal);
}

/** How an image gets from docker into the cluster; null where the builder sees to it. */
async function handOverTo(signal: AbortSignal): Promise<((image: string) => Promise<void>) | null> {
  if (builder() !== undefined) return null;
  const context = (await new Kubectl('default', signal).run(['config', 'current-context'])).trim();
  const kind = /^kind-(.+)$/.exec(context)?.[1];
  if (kind === undefined) {
    throw new ServingError('cluster_failed', `${context} is no cluster of kind`, {
      hint: 'set LAYERMESH_IMAGE_BUILDER, or push the images yourself and give --images-ready (k8s/README.md)',
    });
  }
  return (image) => run('kind', ['load', 'docker-image', image, '--name', kind], signal);
}

async function run(program: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const { code, output } = await runTool(program, args, { cwd: repositoryRoot, signal }).catch(
    (cause: unknown) => {
      signal.throwIfAborted();
      throw new ServingError('process_failed', `cannot run ${program}`, { cause });
    },
  );
  if (code === 0) return;
  process.stderr.write(output);
  throw new ServingError('process_failed', `${program} ended with exit code ${code}`);
}
