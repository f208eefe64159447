import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { IdleCollection } from '../../../../services/stage/engine/idle-collection.js';
import { eventually } from '../../../support/eventually.js';

/** What an entry of the type `gc` tells: which collection, and whether it was asked for. */
interface GarbageCollection {
  readonly detail: { readonly kind: number; readonly flags: number };
}

describe('what a thread that rests holds', () => {
  let collections: number;
  let open: boolean;
  let collection: IdleCollection;
  beforeEach(() => {
    collections = 0;
    open = false;
    collection = new IdleCollection(
      () => !open,
      () => collections++,
    );
  });

  it('is collected a second after the last sequence has ended, once', async () => {
    open = true;
    collection.ended();
    await delay(1_200);
    expect(collections).toBe(0);
    open = false;
    collection.ended();
    collection.ended();
    await eventually('the collection', () => collections === 1);
    await delay(1_200);
    expect(collections).toBe(1);
  });

  it('is not collected where another one was opened meanwhile', async () => {
    collection.ended();
    open = true;
    await delay(1_200);
    expect(collections).toBe(0);
  });

  it('is collected by V8, all of it', async () => {
    const forced: number[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries() as unknown as GarbageCollection[])
        if ((detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0) forced.push(detail.kind);
    });
    observer.observe({ entryTypes: ['gc'] });
    try {
      new IdleCollection(() => true).ended();
      await eventually('a collection that was asked for', () => forced.length > 0);
      expect(forced).toEqual([constants.NODE_PERFORMANCE_GC_MAJOR]);
    } finally {
      observer.disconnect();
    }
  });
});
