import { NumberedRing } from '../../../../services/gateway/watch/numbered-ring.js';

test('gives what came after an id, and all that is kept where that cannot be told', () => {
  const ring = new NumberedRing<string>(3);
  const none = ring.lastId;
  expect(ring.after(none)).toEqual({ items: [], missed: false });
  expect(ring.after(undefined)).toEqual({ items: [], missed: true });
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    ring.add((id) => {
      ids.push(id);
      return name;
    });
  }
  expect(ring.lastId).toBe(ids[3]);
  expect(ring.items).toEqual(['b', 'c', 'd']);
  expect(ids.map((id) => ring.after(id).items.join(''))).toEqual(['bcd', 'cd', 'd', '']);
  const all = { items: ['b', 'c', 'd'], missed: true };
  const [epoch] = none.split('-');
  for (const id of [undefined, '', 'x', 'x-4', `${epoch}-5`, `${epoch}--1`, `${epoch}-x`, none]) {
    expect(ring.after(id)).toEqual(all);
  }
});
