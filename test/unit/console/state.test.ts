import { bodyOf } from '../../../services/console/chat/generate.js';
import {
  change,
  current,
  DEFAULTS,
  removeConversation,
  save,
  type Message,
} from '../../../services/console/chat/conversations.js';
import { apply, changes, load, mesh, report } from '../../../services/console/state/mesh.js';
import { requests as requestsTold } from '../../../services/console/state/requests.js';
import { Store } from '../../../services/console/state/store.js';

const said = (role: Message['role'], text: string): Message => ({ id: text, role, text });

test('a request has the whole conversation but answers that are empty, and only the settings that were made', () => {
  const history = [said('user', 'one'), said('assistant', ''), said('user', 'two')];
  const body = bodyOf(history, {
    ...DEFAULTS,
    system: 'be brief',
    temperature: '0',
    seed: 'x',
    maxTokens: '',
  });
  expect(body).toMatchObject({
    model: 'default',
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'one' },
      { role: 'user', content: 'two' },
    ],
    temperature: 0,
  });
  expect(Object.keys(body)).not.toEqual(expect.arrayContaining(['seed']));
  expect(Object.keys(body)).not.toContain('max_tokens');
});

test('what the gateway tells is kept: the last state, and the changes, the latest first and so many', () => {
  apply({ event: 'state', data: '{"model":"m"}' });
  expect(mesh.value).toEqual({ model: 'm' });
  for (let number = 1; number <= 300; number++) {
    apply({
      event: 'change',
      id: `e-${number}`,
      data: `{"kind":"sequences_moved","reason":"draining","count":${number},"at":1}`,
    });
  }
  expect(changes.value).toHaveLength(256);
  expect(changes.value[0]!.id).toBe('e-300');
  apply({ event: 'report', data: 'null' });
  expect(report.value).toBeNull();
  apply({ event: 'something-newer', data: '{}' });
  apply({ event: 'reset', data: '{}' });
  expect(changes.value).toEqual([]);
});

test('of requests, news come before what had ended, each once, and as many are shown as a gateway keeps', () => {
  const tell = (whole: boolean, ...all: string[]): string => {
    const requests = all.map((each) => {
      const [id, state] = each.split(' ');
      return { id, state, at: 1 };
    });
    apply({ event: 'requests', data: JSON.stringify({ trace_url: null, whole, requests }) });
    return requestsTold.value!.requests.map(({ id, state }) => `${id} ${state}`).join(', ');
  };
  expect(tell(true, 'c running', 'b running', 'a done')).toBe('c running, b running, a done');
  const now = 'd running, b running, c failed, a done';
  expect(tell(false, 'd running', 'b running', 'c failed')).toBe(now);
  expect(tell(false, 'd running', 'b running', 'c failed')).toBe(now);
  for (let number = 0; number < 200; number++) tell(false, `r${number} done`);
  expect(requestsTold.value!.requests.map(({ id }) => id)).toEqual(
    Array.from({ length: 128 }, (_, index) => `r${199 - index}`),
  );
  expect(tell(true, 'e done')).toBe('e done');
});

test('what another page of this browser has kept stays, but for what was deleted here', () => {
  const texts = new Map<string, string>();
  const localStorage = {
    getItem: (key: string) => texts.get(key) ?? null,
    setItem: (key: string, value: string) => void texts.set(key, value),
  };
  Object.defineProperty(globalThis, 'localStorage', { value: localStorage, configurable: true });
  const keptIds = (): string[] =>
    (JSON.parse(texts.get('layermesh.chats')!) as { id: string }[]).map(({ id }) => id);
  const own = current.value;
  change(own, () => [said('user', 'here')]);
  save();
  expect(keptIds()).toEqual([own]);
  const theirs = { id: 'theirs', at: 1, messages: [said('user', 'there')] };
  const before = JSON.parse(texts.get('layermesh.chats')!) as object[];
  texts.set('layermesh.chats', JSON.stringify([theirs, ...before]));
  save();
  expect(keptIds()).toEqual([own, 'theirs']);
  removeConversation(own);
  expect(keptIds()).toEqual(['theirs']);
});

test('a point of the load is there once, and in the order of its time', () => {
  for (const at of [1_000, 6_000, 6_000, 11_000, 4_000]) apply({ event: 'load', data: `{"at":${at}}` });
  expect(load.value.map(({ at }) => at)).toEqual([1_000, 4_000]);
  load.set([]);
});

test('a store tells whoever listens, once for each change', () => {
  const store = new Store(1);
  const heard: number[] = [];
  const stop = store.subscribe((value) => heard.push(value));
  store.set(2);
  store.set(2);
  store.update((value) => value + 1);
  stop();
  store.set(4);
  expect(heard).toEqual([2, 3]);
});
