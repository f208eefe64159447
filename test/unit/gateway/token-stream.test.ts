import { TokenStream } from '../../../services/gateway/token-stream.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';

const endless = (): boolean => true;

describe('a token stream', () => {
  it('asks for a token only when one is pulled', async () => {
    const asked: number[] = [];
    const stream = new TokenStream(
      (pulled) => asked.push(pulled) > 0,
      () => undefined,
    );
    expect(asked).toEqual([]);
    const first = stream.next();
    expect(asked).toEqual([0]);
    stream.push(7);
    expect(await first).toEqual({ done: false, value: 7 });
    stream.push(8); // arrives before it is pulled
    expect(await stream.next()).toEqual({ done: false, value: 8 });
    expect(asked).toEqual([0, 1]);
  });

  it('ends, once, when there is nothing more to ask for', async () => {
    let done = 0;
    const stream = new TokenStream(
      (pulled) => pulled < 2,
      () => done++,
    );
    const tokens: number[] = [];
    stream.push(1);
    stream.push(2);
    for await (const token of stream) tokens.push(token);
    expect(tokens).toEqual([1, 2]);
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
