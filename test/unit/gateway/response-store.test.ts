import { ResponseStore, type KeptResponse } from '../../../services/gateway/responses/response-store.js';
import { responseObject } from '../../../services/lib/openai/responses/format.js';
import type { Item } from '../../../services/lib/openai/responses/items.js';
import { MemoryDocuments } from './memory-documents.js';

const kept = (owner: string | null): KeptResponse => ({
  owner,
  response: responseObject({ key: 'a'.repeat(32), created: 1, model: 'm' }, {}, 'in_progress'),
  input: [],
  before: [],
});
const { id } = kept(null).response;

const everyone = { lives: () => Promise.resolve(true) };

describe('the responses of a store', () => {
  it('are their owner’s only', async () => {
    const store = new ResponseStore(new MemoryDocuments(), everyone);
    await store.put(kept('one'));
    expect(await store.find(id, 'one')).toEqual(kept('one'));
    for (const stranger of ['two', null]) {
      await expect(store.find(id, stranger)).rejects.toMatchObject({ code: 'response_not_found' });
      await expect(store.delete(id, stranger)).rejects.toMatchObject({ code: 'response_not_found' });
    }
  });

  it('take no conversation of more than a MiB', async () => {
    const store = new ResponseStore(new MemoryDocuments(), everyone);
    const item = { output: 'x'.repeat(1 << 20) } as unknown as Item;
    await expect(store.requireRoom([item])).rejects.toMatchObject({ code: 'invalid_value', param: 'store' });
    await store.requireRoom([]);
  });

  it('change by one writer after the other', async () => {
    const documents = new MemoryDocuments();
    const store = new ResponseStore(documents, everyone);
    await store.put(kept(null));
    const append = (name: string) =>
      store.update(id, (current) => ({
        ...current,
        response: { ...current.response, status: 'completed', [name]: true },
      }));
    await Promise.all([append('first'), append('second')]);
    expect((await store.find(id, null)).response).toMatchObject({ first: true, second: true });
    await store.delete(id, null);
    expect(await append('third')).toBeNull();
    expect(documents.kept.size).toBe(0);
  });
});
