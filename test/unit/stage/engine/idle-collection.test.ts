import { setTimeout as delay } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { IdleCollection } from '../../../../services/stage/engine/idle-collection.js';
import { eventually } from '../../../support/eventually.js';

const MB = 1 << 20;
const outsideMb = (): number => getHeapStatistics().external_memory / MB;

describe('what a thread that rests holds', () => {
  let collections: number;
  let collection: IdleCollection;
  let held: ArrayBuffer | null;
  beforeEach(() => {
    collections = 0;
    collection = new IdleCollection(() => collections++);
    held = null;
  });
  const hold = (mb: number): void => {
    held = new ArrayBuffer(mb * MB);
  };

  it('is collected a second after the last sequence has ended, once', async () => {
    hold(128);
    collection.worked(true);
    await delay(1_200);
    expect(collections).toBe(0);
    collection.worked(false);
    collection.worked(false);
    await eventually('the collection', () => collections === 1);
    collection.worked(false);
    await delay(1_200);
    expect(collections).toBe(1);
    expect(held?.byteLength).toBe(128 * MB);
  });

  it('is not collected while there is more to do, nor for little', async () => {
    collection.worked(false);
    hold(128);
    collection.worked(false);
    for (let turn = 0; turn < 5; turn++) {
      await delay(300);
      collection.worked(turn % 2 === 0);
    }
    collection.worked(true);
    await delay(1_200);
    expect(collections).toBe(0);
  });

  it('is given back', async () => {
    const real = new IdleCollection();
    hold(256);
    const before = outsideMb();
    held = null;
    real.worked(false);
    await eventually('less memory', () => outsideMb() < before - 200);
  });
});
