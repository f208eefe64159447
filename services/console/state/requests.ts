import type { RequestList } from '../../gateway/watch/request-log.js';
import type { RequestSummary } from '../../gateway/telemetry/request-record.js';
import { Store } from './store.js';

/** What the gateway tells of requests; null until it has. */
export const requests = new Store<RequestList | null>(null);

/** Ended ones that are shown: as many as a gateway keeps. */
const SHOWN = 128;

/** A whole list stands for itself. News are what runs now, and what has ended: before what had, and each once. */
export function withNews(last: RequestList | null, news: RequestList): RequestList {
  if (last === null || news.whole) return news;
  const told = new Set(news.requests.map(nameOf));
  const had = last.requests.filter((request) => !isRunning(request) && !told.has(nameOf(request)));
  const running = news.requests.filter(isRunning);
  const over = news.requests.filter((request) => !isRunning(request));
  return { ...news, requests: [...running, ...[...over, ...had].slice(0, SHOWN)] };
}

const isRunning = ({ state }: RequestSummary): boolean => state === 'running';

/** Clients may call several alike. */
export const nameOf = ({ id, at }: RequestSummary): string => `${id} ${at}`;
