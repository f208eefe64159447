import type { MeshBackend } from '../../../../services/gateway/generation/mesh-backend.js';
import { announcedPlan } from '../../../../services/lib/mesh/identity.js';
import { eventually } from '../../../support/eventually.js';
import { greedy } from '../../../support/sampling.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { backendOver, MemoryMesh, plan } from './memory-mesh.js';

const request = { prompt: [10, 20, 30], sampling: greedy, maxTokens: 3 };

describe('a gateway before stages that are started when somebody asks', () => {
  let mesh: MemoryMesh;
  let backend: MeshBackend;

  const start = (startPatienceMs: number): void => {
    mesh = new MemoryMesh();
    backend = backendOver(mesh, { prefillChunk: 2, patienceMs: 0, startPatienceMs, prefixCache: false });
  };
  afterEach(() => backend.close());

  it('is ready, holds what is asked, and gives it to the stages when they come', async () => {
    start(60_000);
    expect(backend.notReadyReason()).toBeNull();
    const generation = backend.generate(request, new AbortController().signal);
    await eventually('it waits', () => backend.occupation().waiting === 1);
    expect(backend.occupation()).toMatchObject({ running: 0, stages: [{ replicas: 0 }, { replicas: 0 }] });
    const head = mesh.start('stage-1', 'x');
    const first = mesh.start('stage-0', 'a', ['x']);
    first.onOpen = ({ sequence, epoch }) => head.send({ case: 'opened', value: { sequence, epoch } });
    expect((await generation).route).toBe('stage-0/a>stage-1/x');
    expect(backend.occupation()).toMatchObject({
      running: 1,
      waiting: 0,
      stages: [{ replicas: 1 }, { replicas: 1 }],
    });
  });

  it('holds it no longer than it may', async () => {
    start(30);
    expect(await thrownBy(() => backend.generate(request, new AbortController().signal))).toMatchObject({
      code: 'stage_unavailable',
    });
    expect(backend.occupation().waiting).toBe(0);
  });

  it('lets go of it when its client goes', async () => {
    start(60_000);
    const leave = new AbortController();
    const generation = thrownBy(() => backend.generate(request, leave.signal));
    await eventually('it waits', () => backend.occupation().waiting === 1);
    leave.abort();
    expect(await generation).toMatchObject({ code: 'stream_broken' });
    expect(backend.occupation().waiting).toBe(0);
  });

  it('is not ready for stages that are there and serve another plan: nobody will start them', async () => {
    start(60_000);
    const odd = mesh.start('stage-0', 'a');
    mesh.start('stage-1', 'x');
    odd.announced = announcedPlan({ ...plan, split: [2] });
    odd.endLinks();
    await eventually('the other plan', () => backend.notReadyReason()?.includes('split'));
  });

  it('is not ready where stages are not started so', () => {
    start(0);
    expect(backend.notReadyReason()).toContain('no replica of stage-0');
  });
});
