import { Store } from './store.js';

export const VIEWS = ['chat', 'mesh', 'requests', 'load'] as const;
export type View = (typeof VIEWS)[number];

/** Where in the page one is: `#/requests/{id}`. */
export interface Place {
  readonly view: View;
  readonly item: string;
}

function placeOf(hash: string): Place {
  const [, view = '', item = ''] = hash.split('/');
  const known = VIEWS.find((each) => each === view) ?? 'chat';
  return { view: known, item: safely(item) };
}

export const hrefOf = (view: View, item = ''): string =>
  item === '' ? `#/${view}` : `#/${view}/${encodeURIComponent(item)}`;

export const place = new Store<Place>(placeOf(location.hash));
addEventListener('hashchange', () => place.set(placeOf(location.hash)));

function safely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
