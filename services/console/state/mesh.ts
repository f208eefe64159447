import type { Report } from '../../gateway/report/report.js';
import type { LoadPoint } from '../../gateway/watch/load-log.js';
import type { Happened, MeshState } from '../../gateway/watch/mesh-watch.js';
import type { RequestList } from '../../gateway/watch/request-log.js';
import { ApiError, call, eventsOf, getJson, keys } from './api.js';
import { requests, withNews } from './requests.js';
import { Store } from './store.js';

export type { Happened, LoadPoint, MeshState, Report };

/** How the page hears of the mesh: `locked` waits for a key. */
type Connection =
  | { readonly kind: 'connecting' | 'live' | 'locked' }
  | { readonly kind: 'lost'; readonly reason: string };

export interface KnownChange {
  readonly id: string;
  readonly change: Happened;
}

export const connection = new Store<Connection>({ kind: 'connecting' });
export const mesh = new Store<MeshState | null>(null);
export const report = new Store<Report | null>(null);
/** The latest first. */
export const changes = new Store<readonly KnownChange[]>([]);
export const load = new Store<readonly LoadPoint[]>([]);

const MAX_CHANGES = 256;
const MAX_POINTS = 720;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** The state comes every second: who is silent for so long is gone. */
const SILENCE_MS = 8_000;

/** Which model's mesh the page is about: that in its own address, or the gateway's first. */
const about = (path: string): string => {
  const model = new URLSearchParams(location.search).get('model');
  return model === null ? path : `${path}?model=${encodeURIComponent(model)}`;
};

/** What an event of the stream says; the page's whole state of the mesh is made of them. */
export function apply(event: { event?: string | undefined; id?: string | undefined; data: string }): void {
  const data: unknown = JSON.parse(event.data);
  if (event.event === 'state') mesh.set(data as MeshState);
  else if (event.event === 'report') report.set(data as Report | null);
  else if (event.event === 'load') load.update((points) => withPoint(points, data as LoadPoint));
  else if (event.event === 'requests') requests.update((last) => withNews(last, data as RequestList));
  else if (event.event === 'reset') changes.set([]);
  else if (event.event === 'change') {
    const known = { id: event.id ?? '', change: data as Happened };
    changes.update((all) => [known, ...all].slice(0, MAX_CHANGES));
  }
}

/** In the order of their times, each once: the last of those that were asked for may come by the stream, too. */
const withPoint = (points: readonly LoadPoint[], point: LoadPoint): LoadPoint[] =>
  [...points.filter(({ at }) => at < point.at), point].slice(-MAX_POINTS);

/**
 * Listens while the page is looked at: a browser has few connections for all pages of one gateway. Comes back after every end,
 * each time a little later, and hears what it missed.
 */
export async function listen(): Promise<never> {
  let pause = FIRST_PAUSE_MS;
  let lastId: string | undefined;
  for (;;) {
    await untilSeen();
    const silence = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
    };
    const hidden = (): void => {
      if (document.hidden) silence.abort();
    };
    document.addEventListener('visibilitychange', hidden);
    try {
      heard();
      const response = await call(about('topology/events'), {
        right: 'operate',
        headers: lastId === undefined ? {} : { 'last-event-id': lastId },
        signal: silence.signal,
      });
      load.set((await getJson<{ points: LoadPoint[] }>(about('load'), silence.signal)).points);
      for await (const event of eventsOf(response)) {
        heard();
        pause = FIRST_PAUSE_MS;
        lastId = event.id ?? lastId;
        apply(event);
        connection.set({ kind: 'live' });
      }
      connection.set({ kind: 'lost', reason: 'The gateway has ended the stream.' });
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
        connection.set({ kind: 'locked' });
        await nextKey();
        continue;
      }
      const reason = silence.signal.aborted ? 'The gateway has gone silent.' : (error as Error).message;
      // While nobody looks it is the page that does not listen.
      connection.set(document.hidden ? { kind: 'connecting' } : { kind: 'lost', reason });
    } finally {
      document.removeEventListener('visibilitychange', hidden);
      clearTimeout(timer);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
  }
}

function untilSeen(): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    look();
  });
}

function nextKey(): Promise<void> {
  return new Promise((resolve) => {
    const stop = keys.subscribe(() => {
      stop();
      resolve();
    });
  });
}
