import fc from 'fast-check';
import { PrefixStore } from '../../../services/lib/engine/kv/prefix-store.js';

const CAPACITY = 6;
const emptyBlock = (): Float32Array => new Float32Array(1);

/** A sequence is a path down a tree of letters; the name of a block is the path that leads to it. */
const path = fc
  .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 8 })
  .map((letters) => letters.map((_, index) => letters.slice(0, index + 1).join('')));
const action = fc.record({ type: fc.constantFrom('keep', 'find'), names: path });

/** What a block called `name` holds: another number for each, small enough for a float32. */
const contentOf = (name: string): number => parseInt(name.replaceAll('a', '1').replaceAll('b', '2'), 3);

/** The plain one: names in a list, most recently used first. */
class PlainStore {
  held: string[] = [];

  find(names: readonly string[]): string[] {
    const missing = names.findIndex((name) => !this.held.includes(name));
    const found = names.slice(0, missing === -1 ? names.length : missing);
    this.held = [...found, ...this.held.filter((name) => !found.includes(name))];
    return found;
  }

  keep(names: readonly string[]): void {
    this.held = [...names, ...this.held.filter((name) => !names.includes(name))].slice(0, CAPACITY);
  }
}

describe('the prefix store', () => {
  it('holds what was used last, always the beginning of a sequence, each block with its own rows', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const store = new PrefixStore(CAPACITY, emptyBlock);
        const plain = new PlainStore();
        for (const { type, names } of actions) {
          if (type === 'keep') {
            const before = plain.held;
            store.keep(names, (index, rows) => {
              expect(before).not.toContain(names[index]);
              rows.fill(contentOf(names[index]!));
            });
            plain.keep(names);
          } else {
            const found = store.find(names);
            expect(found.map(([value]) => value)).toEqual(plain.find(names).map(contentOf));
          }
          for (const name of plain.held) if (name.length > 1) expect(plain.held).toContain(name.slice(0, -1));
        }
      }),
    );
  });

  it('makes no more blocks than fit', () => {
    const store = new PrefixStore(2, emptyBlock);
    const blocks = new Set<Float32Array>();
    for (const name of ['a', 'b', 'c', 'd']) store.keep([name], (_, rows) => blocks.add(rows));
    expect(blocks.size).toBe(2);
  });

  it('keeps nothing without room', () => {
    const store = new PrefixStore(0, emptyBlock);
    store.keep(['a'], () => {
      throw new Error('there is no block to fill');
    });
    expect(store.find(['a'])).toEqual([]);
  });
});
