import { CostModel } from '../../../../services/lib/engine/timed/cost-model.js';
import { deviceProfile } from '../../../../services/lib/engine/timed/device-profile.js';
import { modelShape } from '../../../../services/lib/model/shapes/model-shape.js';
import type { Registry, ReplicaRecord } from '../../../../services/lib/mesh/types.js';
import { modelledStart } from '../../../../services/stage/timed/modelled-start.js';

const served = {
  start: 'stock',
  storageGBps: null,
  shape: 'llama-2-13b',
  device: 'a100-40g',
  dilation: 1,
} as const;
const range = { start: 0, end: 10, layers: 40 };
const cost = new CostModel(modelShape(served.shape), deviceProfile(served.device), range);
const seconds = (sharers: number, storageGBps?: number): number =>
  cost.startSeconds('stock', sharers, storageGBps);

/** A registry in which, beside who asks, others load at each of its looks. */
function registryWith(others: readonly number[]) {
  const announced: ReplicaRecord[] = [];
  const withdrawn: string[] = [];
  let look = 0;
  const registry: Registry = {
    list: () => {
      const count = 1 + (others[Math.min(look++, others.length - 1)] ?? 0);
      return Promise.resolve(Array.from({ length: count }, () => announced[0]!));
    },
    announce: (record) => {
      announced.push(record);
      return Promise.resolve({
        update: () => Promise.resolve(),
        withdraw: () => Promise.resolve(void withdrawn.push(record.replica)),
      });
    },
  };
  return { registry, announced, withdrawn };
}

/** How old the process is when its start is over, where each look comes so many seconds after the last. */
async function ageAtEnd(registry: Registry, { every = 0.1, more = {} } = {}): Promise<number> {
  let now = 0;
  const age = (): number => (now += every);
  const signal = AbortSignal.timeout(20_000);
  await modelledStart({
    served: { ...served, ...more },
    range,
    replica: 'me',
    registry,
    signal,
    age,
    lookMs: 0,
  });
  return now;
}

describe('the start of a timed stage', () => {
  it('takes as long as the cost model says, and the dilation makes of it', async () => {
    const { registry, announced, withdrawn } = registryWith([0]);
    expect(await ageAtEnd(registry)).toBeCloseTo(seconds(1), 0);
    expect(announced).toMatchObject([{ appId: 'loading', replica: 'me' }]);
    expect(withdrawn).toEqual(['me']);
    expect(await ageAtEnd(registryWith([0]).registry, { more: { dilation: 3 } })).toBeCloseTo(
      3 * seconds(1),
      0,
    );
  });

  it('takes longer while others load', async () => {
    expect(await ageAtEnd(registryWith([3]).registry)).toBeCloseTo(seconds(4), 0);
    // Three others for the first ten seconds, and nobody from then on.
    const mixed = await ageAtEnd(registryWith([...new Array<number>(100).fill(3), 0]).registry);
    expect(mixed).toBeCloseTo(10 + (1 - 10 / seconds(4)) * seconds(1), 0);
  });

  it('loads from the storage that it is told of', async () => {
    const slow = await ageAtEnd(registryWith([1]).registry, { more: { storageGBps: 0.5 } });
    expect(slow).toBeCloseTo(seconds(2, 0.5), 0);
    expect(slow).toBeGreaterThan(seconds(2) + 10);
  });

  it('waits for nothing where nobody asked for it', async () => {
    const { registry, announced } = registryWith([0]);
    expect(await ageAtEnd(registry, { more: { start: null } })).toBe(0);
    expect(announced).toEqual([]);
  });

  it('ends when the process is told to stop, and is listed no longer', async () => {
    const { registry, withdrawn } = registryWith([0]);
    const stop = new AbortController();
    const start = modelledStart({
      served,
      range,
      replica: 'me',
      registry,
      signal: stop.signal,
      age: () => 0,
    });
    stop.abort();
    await expect(start).rejects.toMatchObject({ name: 'AbortError' });
    expect(withdrawn).toEqual(['me']);
  });
});
