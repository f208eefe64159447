import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kustomize } from '../../../scripts/lib/k8s/kubectl.js';
import { ofKind, type Autoscaler, type Deployment, type Manifest } from '../../../scripts/lib/k8s/objects.js';
import { parseRenderOptions } from '../../../scripts/lib/k8s/render-options.js';
import { stageFiles } from '../../../scripts/lib/k8s/overlay.js';
import { k8sFolder, render } from '../../support/rendered.js';

const stagesOf = (objects: Awaited<ReturnType<typeof render>>) =>
  ofKind<Deployment>(objects, 'Deployment').filter(({ metadata }) => metadata.name.startsWith('stage-'));

describe('npm run k8s:render', () => {
  it.each(['local', 'production'])(
    'wrote the stages of overlays/%s, as its first line says',
    async (name) => {
      const folder = join(k8sFolder, 'overlays', name);
      const header = (await readFile(join(folder, 'stages', 'kustomization.yaml'), 'utf8')).split('\n')[0]!;
      const [, line] = /^# Written by: npm run k8s:render -- (.*)$/.exec(header)!;
      const args = [...line!.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
      const expected = stageFiles(folder, parseRenderOptions(args));
      const found = await readdir(join(folder, 'stages'), { recursive: true, withFileTypes: true });
      const files = found
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      expect(files.sort()).toEqual([...expected.keys()].map((path) => join(folder, path)).sort());
      for (const [path, content] of expected)
        expect(await readFile(join(folder, path), 'utf8')).toBe(content);
    },
  );

  it('cuts the model where it is told', async () => {
    const one = await render('--split', '');
    expect(stagesOf(one).map(({ metadata }) => metadata.name)).toEqual(['stage-0']);
    const four = await render('--split', '3,10,28', '--cpu', '250m', '--cpu', 'stage-3=1');
    expect(stagesOf(four).map(({ spec }) => spec.template.spec.containers[0]!.resources.limits.cpu)).toEqual([
      '250m',
      '250m',
      '250m',
      '1',
    ]);
  });

  it('leaves the replicas to an autoscaler, or says them itself', async () => {
    const scaled = await render('--replicas', 'stage-1=2', '--max-replicas', '5');
    expect(stagesOf(scaled).every(({ spec }) => spec.replicas === undefined)).toBe(true);
    const bounds = ofKind<Autoscaler>(scaled, 'HorizontalPodAutoscaler').map(({ spec }) => [
      spec.minReplicas,
      spec.maxReplicas,
    ]);
    expect(bounds).toEqual([
      [1, 5],
      [2, 5],
      [1, 5],
    ]);
    const fixed = await render('--replicas', 'stage-1=2', '--autoscaler', 'none');
    expect(ofKind(fixed, 'HorizontalPodAutoscaler')).toEqual([]);
    expect(stagesOf(fixed).map(({ spec }) => spec.replicas)).toEqual([1, 2, 1]);
  });

  it('lets KEDA scale each stage by what is demanded of it, from zero where it may', async () => {
    const objects = await render('--autoscaler', 'keda', '--to-zero', '--namespace', 'mine');
    expect(ofKind(objects, 'HorizontalPodAutoscaler')).toEqual([]);
    expect(ofKind(objects, 'ScaledObject')).toMatchObject(
      [0, 1, 2].map((index) => ({
        metadata: { name: `stage-${index}`, namespace: 'mine' },
        spec: {
          scaleTargetRef: { name: `stage-${index}` },
          minReplicaCount: 1,
          idleReplicaCount: 0,
          triggers: [
            {
              type: 'external-push',
              metadata: { scalerAddress: 'gateway-scaler.mine.svc:8001', stage: `stage-${index}` },
            },
            {
              type: 'prometheus',
              metadata: {
                query: expect.stringContaining(`{namespace="mine",stage="stage-${index}"}`) as string,
              },
            },
          ],
        },
      })),
    );
    // The gateway serves what they ask, and waits for what they start.
    const [gateway] = ofKind<Deployment>(objects, 'Deployment').filter(
      ({ metadata }) => metadata.name === 'gateway',
    );
    expect(gateway!.spec.template.spec.containers[0]).toMatchObject({
      env: expect.arrayContaining([{ name: 'LAYERMESH_SCALER_PORT', value: '8001' }]) as unknown,
      ports: expect.arrayContaining([{ name: 'scaler', containerPort: 8001 }]) as unknown,
    });
    const services = ofKind(objects, 'Service').map(({ metadata }) => metadata.name);
    expect(services).toContain('gateway-scaler');
    const kept = ofKind<Manifest & { spec: object }>(await render('--autoscaler', 'keda'), 'ScaledObject');
    expect(kept.every(({ spec }) => !('idleReplicaCount' in spec))).toBe(true);
  });

  it('has keys in a new overlay, unless it is to be open', async () => {
    const fileOf = async (...args: string[]): Promise<unknown> => {
      const [gateway] = ofKind<Deployment>(await render(...args), 'Deployment').filter(
        ({ metadata }) => metadata.name === 'gateway',
      );
      return gateway!.spec.template.spec.containers[0]!.env!.find(
        ({ name }) => name === 'LAYERMESH_KEYS_FILE',
      );
    };
    expect(await fileOf()).toMatchObject({ value: '/keys/clients' });
    expect(await fileOf('--env', 'LAYERMESH_INSECURE=1')).toBeUndefined();
  });

  it.each([
    [['--split', '20,10'], 'boundary 2'],
    [['--replicas', 'stage-3=2'], 'there is no stage-3'],
    [['--cpu', 'stage-3=1'], 'there is no stage-3'],
    [['--replicas', 'stage-1=9'], 'more replicas than --max-replicas'],
    [['--cpu', 'lots'], 'must be of the form'],
    [['--namespace', 'No'], 'small letters'],
  ])('refuses %j', async (args, problem) => {
    await expect(render(...args)).rejects.toThrow(problem);
  });

  it('names what is no overlay', async () => {
    await expect(kustomize(join(k8sFolder, 'adapter'))).rejects.toMatchObject({ code: 'invalid_config' });
  });
});
