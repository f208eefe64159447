import type { RequestTrace } from '../../../../services/gateway/telemetry/request-trace.js';
import { RequestLog, type RequestList } from '../../../../services/gateway/watch/request-log.js';

const request = (id: string): RequestTrace =>
  ({ id, summary: () => ({ id }), record: () => ({ id }) }) as RequestTrace;
const told = (json: string | null) => {
  if (json === null) return null;
  const { whole, requests } = JSON.parse(json) as RequestList;
  return `${whole ? 'whole' : 'news'} ${requests.map(({ id }) => id).join(' ')}`;
};

test('news are what runs and what has ended after the cursor; all of it where that is not known', () => {
  const log = new RequestLog('http://traces/{trace}');
  const [one, two, three] = ['one', 'two', 'three'].map(request) as [
    RequestTrace,
    RequestTrace,
    RequestTrace,
  ];
  const start = log.cursor;
  expect(log.news(start)).toBeNull();
  for (const each of [one, two, three]) log.began(each);
  log.ended(one);
  const { cursor } = log;
  expect(told(log.news(cursor))).toBe('news three two');
  log.ended(three);
  log.ended(three);
  expect(told(log.news(cursor))).toBe('news two three');
  expect(told(log.news(start))).toBe('news two three one');
  expect(told(log.list())).toBe('whole two three one');
  expect(told(log.news('of another process'))).toBe('whole two three one');
  log.ended(two);
  expect(log.news(log.cursor)).toBeNull();
  expect(JSON.parse(log.list())).toMatchObject({ trace_url: 'http://traces/{trace}' });
});

test('of many that run, news tell of the latest, and the list of all', () => {
  const log = new RequestLog(null);
  for (let number = 0; number < 200; number++) log.began(request(`r${number}`));
  expect((JSON.parse(log.list()) as RequestList).requests).toHaveLength(200);
  const { requests } = JSON.parse(log.news(log.cursor)!) as RequestList;
  expect(requests.map(({ id }) => id)).toEqual(Array.from({ length: 128 }, (_, index) => `r${199 - index}`));
});
