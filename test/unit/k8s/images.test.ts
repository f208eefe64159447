import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImages } from '../../../scripts/lib/k8s/images.js';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
const signal = new AbortController().signal;

/** A program in place of docker that writes down what it is called with. */
async function recorder(exitCode = 0): Promise<{ calls: () => Promise<string[][]> }> {
  const [program, record] = ['builder', 'calls'].map((name) => join(folder.path, name)) as [string, string];
  const line = `require('node:fs').appendFileSync('${record}', JSON.stringify(process.argv.slice(2)) + '\\n')`;
  await writeFile(program, `#!${process.execPath}\n${line}; process.exit(${exitCode});\n`);
  await chmod(program, 0o755);
  await writeFile(record, '');
  process.env['LAYERMESH_IMAGE_BUILDER'] = program;
  return {
    calls: async () =>
      (await readFile(record, 'utf8'))
        .split('\n')
        .filter(Boolean)
        .map((call) => JSON.parse(call) as string[]),
  };
}

describe('the images of the services', () => {
  afterEach(() => delete process.env['LAYERMESH_IMAGE_BUILDER']);
  const build = async () => {
    const prepared = join(folder.path, 'prepared');
    await mkdir(prepared, { recursive: true });
    await buildImages({ tag: 't', prepared, precision: 'int8' }, signal);
    return prepared;
  };

  it('are built by whom LAYERMESH_IMAGE_BUILDER names, as docker would be asked to: code, then weights', async () => {
    const { calls } = await recorder();
    const prepared = await build();
    const file = (name: string): string => join(repositoryRoot, 'k8s', name);
    const image = (service: string, weights: string): string[][] => {
      const code = `layermesh/${service}:t-code`;
      const args = ['--build-arg', `BASE_IMAGE=${code}`, '--build-arg', 'PRECISION=int8'];
      const first = ['--tag', code, '--file', file('Dockerfile'), '--target', service, repositoryRoot];
      const second = ['--tag', `layermesh/${service}:t`, '--file', file('weights.Dockerfile')];
      return [first, [...second, '--target', weights, ...args, prepared]];
    };
    expect(await calls()).toEqual([...image('gateway', 'text'), ...image('stage', 'baked')]);
  });

  it('stop at the first that fails', async () => {
    const { calls } = await recorder(3);
    await expect(build()).rejects.toMatchObject({
      code: 'process_failed',
      message: expect.stringContaining('exit code 3') as string,
    });
    expect(await calls()).toHaveLength(1);
  });
});

describe('the Dockerfiles', () => {
  it('have the targets that are asked for, a base that can be chosen, and no root', async () => {
    const text = await readFile(join(repositoryRoot, 'k8s', 'Dockerfile'), 'utf8');
    const weights = await readFile(join(repositoryRoot, 'k8s', 'weights.Dockerfile'), 'utf8');
    const targets = (content: string): string[] =>
      [...content.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name!);
    expect(targets(text)).toEqual(expect.arrayContaining(['gateway', 'stage']));
    expect(targets(weights)).toEqual(['text', 'baked', 'volume']);
    for (const content of [text, weights]) expect(content).toMatch(/^ARG BASE_IMAGE=.+\n\nFROM/m);
    expect(text).toMatch(/^USER 1000:1000$/m);
    // Node is process 1: no shell and no npm stand between it and a signal.
    expect([...text.matchAll(/^ENTRYPOINT \["(\w+)", /gm)].map(([, program]) => program)).toEqual([
      'node',
      'node',
    ]);
  });
});
