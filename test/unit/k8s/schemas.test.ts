import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { kustomize } from '../../../scripts/lib/k8s/kubectl.js';
import type { Manifest } from '../../../scripts/lib/k8s/objects.js';
import { schemaProblems } from '../../support/kubernetes-schemas.js';
import { k8sFolder, render, renderWith } from '../../support/rendered.js';

describe('what is applied', () => {
  it.each(['local', 'production'])('by overlays/%s is what the API servers know', async (name) => {
    const objects = await kustomize(join(k8sFolder, 'overlays', name));
    expect(objects.length).toBeGreaterThan(20);
    expect(objects.flatMap(schemaProblems)).toEqual([]);
  });

  it.each([
    [['--split', ''], []],
    [['--autoscaler', 'none'], []],
    // KEDA's own kind is checked by its own rules alone (render.test.ts).
    [['--autoscaler', 'keda'], Array<string>(3).fill('keda.sh/v1alpha1 ScaledObject: no schema')],
  ])('after k8s:render %j too', async (args, unknown) => {
    expect((await render(...args)).flatMap(schemaProblems)).toEqual(unknown);
  });

  // KEDA's is part of each stage, and Redis, tokens and keys of every overlay that is written anew.
  const components = readdirSync(join(k8sFolder, 'components')).filter(
    (name) => !['keda', 'redis', 'tokens', 'keys'].includes(name),
  );
  it.each(components)('with components/%s too', async (name) => {
    const plain = await render();
    const objects = await renderWith([name]);
    expect(objects.flatMap(schemaProblems)).toEqual([]);
    expect(objects).not.toEqual(plain);
  });

  const stage: Manifest = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'stage-0' } };
  it.each<[string, object]>([
    ['/spec must NOT have additional properties', { ...stage, spec: { prots: [] } }],
    ['/spec/ports/0/port must be integer', { ...stage, spec: { ports: [{ port: 'http' }] } }],
    [
      '/spec/accessControl must NOT have additional properties',
      {
        ...stage,
        apiVersion: 'dapr.io/v1alpha1',
        kind: 'Configuration',
        spec: { accessControl: { polices: [] } },
      },
    ],
    ['v1 Sevrice: no schema', { ...stage, kind: 'Sevrice' }],
  ])('is found out where %s', (problem, object) => {
    expect(schemaProblems(object as Manifest).join()).toContain(problem);
  });
});
