import type { Timings } from '../../gateway/telemetry/timings.js';
import { Store } from '../state/store.js';

/** How an answer came about. */
export interface Receipt {
  readonly requestId: string;
  /** Such as `stage-0/ab12>stage-1/cd34`. */
  readonly route: string;
  readonly ttftMs: number | null;
  readonly tokensPerSecond: number | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly tokens: number;
  readonly timings: Timings | null;
  /** Of the text, from and to: what came several tokens at once, for guesses of them were right. */
  readonly guessed: readonly (readonly [number, number])[];
}

export type Ending = 'running' | 'stop' | 'length' | 'stopped' | 'failed';

export interface Message {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** Of an answer. */
  readonly ending?: Ending;
  readonly error?: string;
  readonly receipt?: Receipt;
}

export interface Conversation {
  readonly id: string;
  readonly at: number;
  readonly messages: readonly Message[];
}

export interface Settings {
  readonly model: string;
  readonly system: string;
  readonly temperature: string;
  readonly topP: string;
  readonly maxTokens: string;
  readonly seed: string;
  readonly showGuessed: boolean;
}

export const DEFAULTS: Settings = {
  model: '',
  system: '',
  temperature: '',
  topP: '',
  maxTokens: '512',
  seed: '',
  showGuessed: false,
};

const KEY = 'layermesh.chats';
const SETTINGS_KEY = 'layermesh.settings';
const MAX_CONVERSATIONS = 40;
const MAX_CHARS = 1_000_000;

let counted = 0;
export const newId = (): string => `${Date.now().toString(36)}${(counted++).toString(36)}`;

const empty = (): Conversation => ({ id: newId(), at: Date.now(), messages: [] });

/** The latest first; kept in this browser and sent nowhere but in a request. */
export const conversations = new Store<readonly Conversation[]>(remembered());
export const current = new Store<string>(conversations.value[0]?.id ?? '');
export const settings = new Store<Settings>({ ...DEFAULTS, ...stored(SETTINGS_KEY) });
settings.subscribe((value) => void keep(SETTINGS_KEY, value));
/** Whether all of them would be there again in a new page. */
export const isKept = new Store(true);

if (current.value === '') startConversation();

export function startConversation(): void {
  const blank = conversations.value.find(({ messages }) => messages.length === 0);
  const next = blank ?? empty();
  if (blank === undefined) conversations.update((all) => [next, ...all].slice(0, MAX_CONVERSATIONS));
  current.set(next.id);
}

/** In this page: what another one has kept of them does not bring them back. */
const removed = new Set<string>();

export function removeConversation(id: string): void {
  removed.add(id);
  conversations.update((all) => all.filter((one) => one.id !== id));
  save();
  if (current.value !== id) return;
  const [next] = conversations.value;
  if (next === undefined) startConversation();
  else current.set(next.id);
}

/** Changes the messages of one conversation. */
export function change(id: string, messages: (all: readonly Message[]) => readonly Message[]): void {
  conversations.update((all) =>
    all.map((one) => (one.id === id ? { ...one, at: Date.now(), messages: messages(one.messages) } : one)),
  );
}

export const patch = (id: string, message: string, fields: Partial<Message>): void =>
  change(id, (all) => all.map((one) => (one.id === message ? { ...one, ...fields } : one)));

/** Keeps what fits, the latest first; with what another page of this browser has kept meanwhile. */
export function save(): void {
  let chars = 0;
  const fits = ({ messages }: Conversation): boolean => {
    const size = messages.reduce((sum, { text }) => sum + text.length, 0);
    if (chars + size > MAX_CHARS) return false;
    chars += size;
    return true;
  };
  const isKnown = (id: string): boolean =>
    removed.has(id) || conversations.value.some((one) => one.id === id);
  const all = [...conversations.value, ...remembered().filter(({ id }) => !isKnown(id))]
    .filter(({ messages }) => messages.length > 0)
    .sort((one, other) => other.at - one.at);
  const kept = all.slice(0, MAX_CONVERSATIONS).filter(fits);
  // What a browser gives to a page is its own to decide.
  while (!keep(KEY, kept) && kept.length > 0) kept.length = Math.floor(kept.length / 2);
  isKept.set(kept.length === Math.min(all.length, MAX_CONVERSATIONS));
}

export const titleOf = ({ messages }: Conversation): string => messages[0]?.text.slice(0, 80) ?? 'New chat';

function remembered(): readonly Conversation[] {
  const all: unknown = stored(KEY);
  if (!Array.isArray(all)) return [];
  return (all as Conversation[])
    .filter((one) => typeof one.id === 'string' && Array.isArray(one.messages))
    .map((one) => ({
      ...one,
      // A page that was closed meanwhile has stopped it.
      messages: one.messages.map((each) =>
        each.ending === 'running' ? { ...each, ending: 'stopped' as const } : each,
      ),
    }));
}

function stored(key: string): object | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') as object | null;
  } catch {
    return null;
  }
}

/** False where the browser does not: it has no room left, or keeps nothing at all. */
function keep(key: string, value: object): boolean {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
