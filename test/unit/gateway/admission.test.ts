import fc from 'fast-check';
import { Admission, type Permit } from '../../../services/gateway/admission.js';
import { thrownBy } from '../../support/thrown-by.js';

const present = (): AbortSignal => new AbortController().signal;

describe('admission', () => {
  test('lets so many run, so many wait in their order, and refuses the rest at once', async () => {
    const admission = new Admission({ maxRunning: 2, maxWaiting: 2 });
    const first = await admission.acquire(2, present());
    const order: string[] = [];
    const waiting = ['second', 'third'].map(async (name) => {
      await admission.acquire(1, present());
      order.push(name);
    });
    expect([admission.running, admission.waiting]).toEqual([2, 2]);
    expect((await thrownBy(() => admission.acquire(1, present()))).code).toBe('too_many_requests');

    first.release();
    await Promise.all(waiting);
    expect(order).toEqual(['second', 'third']);
    expect([admission.running, admission.waiting]).toEqual([2, 0]);
  });

  test('does not let a small request overtake a large one', async () => {
    const admission = new Admission({ maxRunning: 4, maxWaiting: 8 });
    const first = await admission.acquire(3, present());
    const large = admission.acquire(4, present());
    void admission.acquire(1, present());
    expect([admission.running, admission.waiting]).toEqual([3, 5]);
    first.release();
    await large;
    expect([admission.running, admission.waiting]).toEqual([4, 1]);
  });

  test('lets those behind pass when the one in front leaves', async () => {
    const admission = new Admission({ maxRunning: 4, maxWaiting: 8 });
    await admission.acquire(3, present());
    const leave = new AbortController();
    const large = admission.acquire(4, leave.signal);
    const small = admission.acquire(1, present());
    leave.abort(new Error('left'));
    await expect(large).rejects.toThrow('left');
    await small;
    expect([admission.running, admission.waiting]).toEqual([4, 0]);
  });

  test('refuses what can never run', async () => {
    const admission = new Admission({ maxRunning: 4, maxWaiting: 8 });
    expect(await thrownBy(() => admission.acquire(5, present()))).toMatchObject({
      code: 'invalid_value',
      param: 'n',
    });
  });

  test('estimates the wait from what requests took of late, between a second and a minute', async () => {
    let now = 0;
    const admission = new Admission({ maxRunning: 1, maxWaiting: 100 }, () => now);
    expect(admission.retryAfterSeconds()).toBe(1);
    for (let request = 0; request < 50; request += 1) {
      const permit = await admission.acquire(1, present());
      now += 4000;
      permit.release();
    }
    expect(admission.retryAfterSeconds()).toBe(4);
    await admission.acquire(1, present());
    void admission.acquire(1, present());
    expect(admission.retryAfterSeconds()).toBe(8);
    for (let request = 0; request < 50; request += 1) void admission.acquire(1, present());
    expect(admission.retryAfterSeconds()).toBe(60);
  });

  test('keeps its bounds and its order, and loses no place, whatever happens', async () => {
    const anyStep = fc.oneof(
      fc.record({ acquire: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ release: fc.nat(), twice: fc.boolean() }),
      fc.record({ abort: fc.nat() }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 6 }),
        fc.array(anyStep, { maxLength: 60 }),
        async (maxRunning, maxWaiting, steps) => {
          const admission = new Admission({ maxRunning, maxWaiting });
          // What should be: who waits, in order, and who holds a permit.
          const waiting: { id: number; count: number; leave: AbortController }[] = [];
          const granted: { id: number; count: number; permit: Permit }[] = [];
          const grants: number[] = [];
          let ids = 0;

          for (const step of steps) {
            if ('acquire' in step) {
              const [id, count, leave] = [ids++, step.acquire, new AbortController()];
              waiting.push({ id, count, leave });
              admission.acquire(count, leave.signal).then(
                (permit) => {
                  granted.push({ id, count, permit });
                  grants.push(id);
                  waiting.splice(
                    waiting.findIndex((waiter) => waiter.id === id),
                    1,
                  );
                },
                () =>
                  waiting.splice(
                    waiting.findIndex((waiter) => waiter.id === id),
                    1,
                  ),
              );
            } else if ('release' in step) {
              const [held] = granted.splice(step.release % Math.max(granted.length, 1), 1);
              held?.permit.release();
              if (step.twice) held?.permit.release();
            } else {
              waiting[step.abort % Math.max(waiting.length, 1)]?.leave.abort(new Error('left'));
            }
            await new Promise(setImmediate);

            const sum = (all: readonly { count: number }[]): number =>
              all.reduce((n, { count }) => n + count, 0);
            expect(admission.running).toBe(sum(granted));
            expect(admission.waiting).toBe(sum(waiting));
            expect(admission.running).toBeLessThanOrEqual(maxRunning);
            expect(admission.waiting).toBeLessThanOrEqual(maxWaiting);
            // Nobody waits for what is free.
            if (waiting.length > 0) expect(admission.running + waiting[0]!.count).toBeGreaterThan(maxRunning);
          }
          expect(grants).toEqual([...grants].sort((a, b) => a - b));
        },
      ),
      { numRuns: 100 },
    );
  });
});
