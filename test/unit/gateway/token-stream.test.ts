import { TokenStream } from '../../../services/gateway/token-stream.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';

const endless = (): boolean => true;

describe('a token stream', () => {
  it('gives a step at a time, and asks for more only when none has come', async () => {
    let asked = 0;
    const stream = new TokenStream(
      () => ++asked > 0,
      () => undefined,
    );
    expect(asked).toBe(0);
    const first = stream.next();
    expect(asked).toBe(1);
    stream.push([7, 8, 9]);
    expect(await first).toEqual({ done: false, value: [7, 8, 9] });
    stream.push([5]);
    expect(await stream.next()).toEqual({ done: false, value: [5] });
    expect(asked).toBe(1);
    const third = stream.next();
    expect(asked).toBe(2);
    stream.push([6]);
    expect(await third).toEqual({ done: false, value: [6] });
  });

  it('ends, once, when there is nothing more to ask for', async () => {
    let done = 0;
    const stream = new TokenStream(
      () => false,
      () => done++,
    );
    const steps: (readonly number[])[] = [];
    stream.push([1, 2]);
    for await (const step of stream) steps.push(step);
    expect(steps).toEqual([[1, 2]]);
    expect(done).toBe(1);
  });

  it('ends when its consumer breaks off, even before the first pull', async () => {
    let done = 0;
    const stream = new TokenStream(endless, () => done++);
    await stream.return();
    await stream.return();
    expect(done).toBe(1);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it('rejects the pending and all later pulls after a failure', async () => {
    let done = 0;
    const stream = new TokenStream(endless, () => done++);
    const pending = stream.next();
    const reason = new ServingError('stream_broken', 'lost');
    stream.fail(reason);
    await expect(pending).rejects.toBe(reason);
    await expect(stream.next()).rejects.toBe(reason);
    expect(done).toBe(1);
  });
});
