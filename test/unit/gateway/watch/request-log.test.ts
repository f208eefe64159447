import { jest } from '@jest/globals';
import type { RequestTrace } from '../../../../services/gateway/telemetry/request-trace.js';
import { RequestLog } from '../../../../services/gateway/watch/request-log.js';

/** As far as the log looks at it; counts how often it has been written. */
function request(id: string) {
  const written = { times: 0 };
  const summary = () => ({ id, tokens: (written.times += 1) });
  const watched = { id, summary, record: () => ({ id }) } as unknown as RequestTrace;
  return { watched, written };
}

describe('the list of requests', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());
  const listed = (log: RequestLog): unknown[] => JSON.parse(log.list()) as unknown[];

  it('is written once for all who ask, until something begins, ends or has got on', () => {
    const log = new RequestLog();
    const [one, two] = [request('one'), request('two')];
    log.began(one.watched);
    for (let page = 0; page < 50; page++) expect(listed(log)).toEqual([{ id: 'one', tokens: 1 }]);
    expect(one.written.times).toBe(1);

    log.began(two.watched);
    expect(listed(log)).toEqual([
      { id: 'two', tokens: 1 },
      { id: 'one', tokens: 2 },
    ]);
    log.ended(one.watched);
    expect(listed(log)).toEqual([
      { id: 'two', tokens: 2 },
      { id: 'one', tokens: 3 },
    ]);
    jest.advanceTimersByTime(499);
    expect(listed(log)).toHaveLength(2);
    expect(two.written.times).toBe(2);
    jest.advanceTimersByTime(1);
    expect(listed(log)).toEqual([
      { id: 'two', tokens: 3 },
      { id: 'one', tokens: 3 },
    ]);
  });
});
