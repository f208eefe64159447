import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../../scripts/lib/wait-until.js';

describe('work that has so much time', () => {
  const open = new AbortController().signal;

  it('gives what it comes to', async () => {
    expect(await within(1_000, open, () => Promise.resolve(7))).toBe(7);
  });

  it('is told to stop when the time is over, and fails for that reason', async () => {
    const reason = new Error('too slow');
    const work = (limit: AbortSignal): Promise<void> => delay(60_000, undefined, { signal: limit });
    await expect(within(5, open, work, reason)).rejects.toBe(reason);
  });

  it('fails for its own reason, and for that of the signal outside', async () => {
    await expect(within(1_000, open, () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    const stop = new AbortController();
    const failing = within(60_000, stop.signal, (limit) => delay(60_000, undefined, { signal: limit }));
    stop.abort();
    await expect(failing).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is waited for no longer where it does not stop', async () => {
    const failing = within(5, open, () => new Promise<never>(() => undefined), new Error('too slow'), 10);
    await expect(failing).rejects.toThrow('too slow');
  });
});
