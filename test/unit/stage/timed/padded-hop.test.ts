import { hopPadMs, later } from '../../../../services/stage/timed/padded-hop.js';
import type { TimedServed } from '../../../../services/lib/config/config.js';

const served = (dilation: number, hopSeconds: number): TimedServed => ({
  engine: 'timed',
  device: 'a100-40g',
  shape: 'llama-2-13b',
  start: null,
  storageGBps: null,
  activations: 'f16',
  split: '',
  dilation,
  hopSeconds,
});

describe('a padded hop', () => {
  it('is dilation times as long, and the first stage pads the way to the gateway too', () => {
    expect(hopPadMs(served(1, 0.0015), { start: 10, end: 20, layers: 40 })).toBe(0);
    expect(hopPadMs(served(5, 0.0015), { start: 10, end: 20, layers: 40 })).toBe(6);
    expect(hopPadMs(served(5, 0.0015), { start: 0, end: 10, layers: 40 })).toBe(12);
  });

  it('keeps the order of what comes', async () => {
    const came: number[] = [];
    let done: () => void;
    const all = new Promise<void>((resolve) => (done = resolve));
    const take = later(5, (value: number) => {
      came.push(value);
      if (came.length === 100) done();
    });
    const began = performance.now();
    for (let value = 0; value < 100; value++) {
      take(value);
      if (value % 10 === 0) await new Promise(setImmediate);
    }
    await all;
    expect(came).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(performance.now() - began).toBeGreaterThanOrEqual(4);
  });

  it('is none where nothing is padded', () => {
    const call = (): void => undefined;
    expect(later(0, call)).toBe(call);
  });
});
