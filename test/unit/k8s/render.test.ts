import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kustomize } from '../../../scripts/lib/k8s/kubectl.js';
import { readGatewayConfig, readStageConfig } from '../../../services/lib/config/config.js';
import type { Autoscaler, Deployment, Manifest, PodTemplate } from '../../../scripts/lib/k8s/objects.js';
import { parseRenderOptions } from '../../../scripts/lib/k8s/render-options.js';
import { stageFiles } from '../../../scripts/lib/k8s/overlay.js';
import {
  environmentOf,
  k8sFolder,
  ofKind,
  render,
  renderFurther,
  type DaprConfiguration,
} from '../../support/rendered.js';

const stagesOf = (objects: Awaited<ReturnType<typeof render>>) =>
  ofKind<Deployment>(objects, 'Deployment').filter(({ metadata }) => metadata.name.startsWith('stage-'));

interface ScaleDown {
  readonly scaleDown: { readonly stabilizationWindowSeconds: number };
}

/** An autoscaler, or KEDA's object that makes one. */
interface Scaled extends Manifest {
  readonly spec: {
    readonly behavior?: ScaleDown;
    readonly advanced?: { readonly horizontalPodAutoscalerConfig: { readonly behavior: ScaleDown } };
  };
}

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
                // Of the Prometheus that k8s/README.md installs.
                serverAddress: 'http://prometheus-server.monitoring.svc',
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

  it('takes replicas away after as long as it is told, whoever scales', async () => {
    const windows = async (autoscaler: string, kind: string): Promise<(number | undefined)[]> => {
      const objects = await render('--autoscaler', autoscaler, '--scale-down-after', '45');
      return ofKind<Scaled>(objects, kind).map(({ spec: { behavior, advanced } }) => {
        const own = behavior ?? advanced?.horizontalPodAutoscalerConfig.behavior;
        return own?.scaleDown.stabilizationWindowSeconds;
      });
    };
    expect(await windows('hpa', 'HorizontalPodAutoscaler')).toEqual([45, 45, 45]);
    expect(await windows('keda', 'ScaledObject')).toEqual([45, 45, 45]);
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

  describe('of a further model', () => {
    let objects: Manifest[];
    beforeAll(async () => {
      objects = await renderFurther(
        [],
        ['--name', 'qwen', '--split', '12', '--precision', 'f32', '--cpu', 'qwen-stage-1=300m'],
      );
    });
    const deployment = (name: string): Deployment =>
      ofKind<Deployment>(objects, 'Deployment').find(({ metadata }) => metadata.name === name)!;
    const policies = (name: string): string[] =>
      ofKind<DaprConfiguration>(objects, 'Configuration')
        .find(({ metadata }) => metadata.name === name)!
        .spec.accessControl.policies!.map(({ appId }) => appId);

    it('has stages of its own beside those of the first, which stay as they are', () => {
      const names = ofKind<Deployment>(objects, 'Deployment').map(({ metadata }) => metadata.name);
      expect(names.filter((name) => name.includes('stage')).sort()).toEqual([
        'qwen-stage-0',
        'qwen-stage-1',
        'stage-0',
        'stage-1',
        'stage-2',
      ]);
      const [one, other] = ['stage-1', 'qwen-stage-1'].map((name) => deployment(name).spec);
      expect(other!.template.metadata!.annotations).toMatchObject({
        'dapr.io/app-id': 'qwen-stage-1',
        'dapr.io/config': 'qwen-stage-1',
      });
      expect(other!.template.spec.serviceAccountName).toBe('qwen-stage-1');
      expect(other!.template.spec.containers[0]!.resources.limits.cpu).toBe('300m');
      const stageOf = ({ metadata }: PodTemplate) => metadata!.labels!['layermesh.io/stage'];
      expect([stageOf(one!.template), stageOf(other!.template)]).toEqual(['1', 'qwen-1']);
    });

    it('lets its stages and the gateway open links, and nobody of another model', () => {
      expect(policies('gateway')).toEqual(['stage-0', 'stage-1', 'stage-2', 'qwen-stage-0', 'qwen-stage-1']);
      expect(policies('qwen-stage-0')).toEqual(['gateway', 'qwen-stage-1']);
      expect(policies('stage-0')).toEqual(['gateway', 'stage-1']);
    });

    it('is told to the gateway and to its stages alike', () => {
      const [first, qwen] = readGatewayConfig(
        environmentOf(deployment('gateway').spec.template, objects),
      ).models;
      expect(first.served.split).toBe('10,20');
      expect(qwen).toMatchObject({
        meshName: 'qwen',
        served: { engine: 'onnx', prepared: '/weights/qwen', split: '12', precision: 'f32' },
      });
      for (const index of [0, 1]) {
        const { template } = deployment(`qwen-stage-${index}`).spec;
        const stage = readStageConfig(environmentOf(template, objects));
        expect(stage).toMatchObject({ meshName: 'qwen', index, served: qwen!.served });
      }
      const { template } = deployment('stage-0').spec;
      expect(readStageConfig(environmentOf(template, objects)).served).toEqual(first.served);
    });

    it('is scaled by what is demanded of its own stages', async () => {
      const scaled = await renderFurther(
        ['--autoscaler', 'keda'],
        ['--name', 'q', '--split', '', '--autoscaler', 'keda'],
      );
      const found = ofKind<Manifest & { spec: { scaleTargetRef: object; triggers: { metadata: object }[] } }>(
        scaled,
        'ScaledObject',
      ).find(({ metadata }) => metadata.name === 'q-stage-0')!;
      expect(found.spec).toMatchObject({
        scaleTargetRef: { name: 'q-stage-0' },
        triggers: [{ metadata: { stage: 'q-stage-0' } }, {}],
      });
    });

    it.each([
      [['--name', 'Q'], 'at most 32 small letters'],
      [['--prepared', '/weights/q'], 'needs --name'],
      [['--name', 'q', '--replicas', 'stage-0=2'], 'there is no stage-0'],
      [['--name', 'q'], 'is no overlay that a further model could be served by'],
    ])('refuses %j', async (args, problem) => {
      await expect(render(...args)).rejects.toThrow(problem);
    });
  });

  it('refuses every variable that a container says itself, for it would be told in vain', async () => {
    const objects = await render('--env', 'LAYERMESH_INSECURE=1');
    const names = ofKind<Deployment>(objects, 'Deployment')
      .filter(({ metadata }) => metadata.name !== 'redis')
      .flatMap(({ spec }) => spec.template.spec.containers[0]!.env!.map(({ name }) => name));
    expect(names).toContain('LAYERMESH_DRAIN_SECONDS');
    for (const name of new Set(names)) {
      await expect(render('--env', `${name}=1`)).rejects.toThrow(`--env ${name}: the manifests say`);
    }
  });

  it.each([
    [['--split', '20,10'], 'boundary 2'],
    [['--replicas', 'stage-3=2'], 'there is no stage-3'],
    [['--cpu', 'stage-3=1'], 'there is no stage-3'],
    [['--replicas', 'stage-1=9'], 'more replicas than --max-replicas'],
    [['--cpu', 'lots'], 'must be of the form'],
    [['--namespace', 'No'], 'small letters'],
    [['--env', 'LAYERMESH_SPLIT=8,20'], 'the manifests say'],
  ])('refuses %j', async (args, problem) => {
    await expect(render(...args)).rejects.toThrow(problem);
  });

  it('names what is no overlay', async () => {
    await expect(kustomize(join(k8sFolder, 'adapter'))).rejects.toMatchObject({ code: 'invalid_config' });
  });
});
