import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { IdleCollection } from '../../../../services/stage/engine/idle-collection.js';
import { eventually } from '../../../support/eventually.js';

const MB = 1 << 20;
/** As the allocator counts it: V8's own count may wait for the next collection. */
const outsideMb = (): number => process.memoryUsage().arrayBuffers / MB;

describe('what a thread that rests holds', () => {
  let collections: number;
  let open: boolean;
  let collection: IdleCollection;
  let held: ArrayBuffer | null;
  beforeEach(() => {
    // What other tests have left would count as what is there anyway, and go by itself.
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    collections = 0;
    open = false;
    held = null;
    collection = new IdleCollection(
      () => !open,
      () => collections++,
    );
  });
  const hold = (mb: number): void => {
    held = new ArrayBuffer(mb * MB);
  };

  it('is collected a second after the last sequence has ended, once', async () => {
    hold(128);
    open = true;
    collection.ended();
    await delay(1_200);
    expect(collections).toBe(0);
    open = false;
    collection.ended();
    collection.ended();
    await eventually('the collection', () => collections === 1);
    collection.ended();
    await delay(1_200);
    expect(collections).toBe(1);
    expect(held?.byteLength).toBe(128 * MB);
  });

  it('is not collected while another one is open, nor for little', async () => {
    collection.ended();
    hold(8);
    collection.ended();
    await delay(1_200);
    hold(128);
    collection.ended();
    open = true;
    await delay(1_200);
    expect(collections).toBe(0);
  });

  it('is given back', async () => {
    const real = new IdleCollection(() => true);
    hold(256);
    const before = outsideMb();
    held = null;
    real.ended();
    await eventually('less memory', () => outsideMb() < before - 200);
  });
});
