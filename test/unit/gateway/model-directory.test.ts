import fc from 'fast-check';
import { ModelDirectory } from '../../../services/gateway/models/model-directory.js';

const model = (id: string, ...aliases: string[]) => ({ model: { id, aliases } });
const first = model('meta/Llama-3', 'gpt-4o-mini');
const second = model('qwen2.5', 'small', 'qwen:7b');
const third = model('odd:latest', '__proto__');
const directory = new ModelDirectory(first, second, third);

describe('the models of a gateway', () => {
  it.each([
    ['meta/Llama-3', first],
    ['gpt-4o-mini', first],
    ['qwen2.5', second],
    ['small', second],
    ['qwen:7b', second],
    ['odd:latest', third],
    ['__proto__', third],
  ])('has %s', (name, found) => {
    expect(directory.find(name)).toBe(found);
  });

  it('takes the first for whoever names none', () => {
    for (const name of [null, undefined, 'default', 'default:latest'])
      expect(directory.find(name)).toBe(first);
  });

  it('takes its own meaning of `default` for that of others', () => {
    const own = new ModelDirectory(first, model('b', 'default'));
    expect(own.find('default')).toBe(own.all[1]);
    expect(own.find(null)).toBe(first);
  });

  it("takes Ollama's tag of the newest, once, and no other", () => {
    expect(directory.find('small:latest')).toBe(second);
    expect(directory.find('qwen:7b:latest')).toBe(second);
    for (const name of ['small:latest:latest', 'small:LATEST', 'small:7b', 'qwen', 'odd', ':latest'])
      expect(directory.find(name)).toBeNull();
  });

  it('knows no name but those, in whatever case, space or markup', () => {
    const known = directory.all.flatMap(({ model: { id, aliases } }) => [id, ...aliases]);
    const variant = fc
      .constantFrom(...known)
      .chain((name) =>
        fc.constantFrom(
          name.toUpperCase(),
          ` ${name}`,
          `${name} `,
          `${name}\0`,
          `${name}/`,
          `./${name}`,
          `<b>${name}</b>`,
          encodeURIComponent(name),
          name.normalize('NFD') + '\u200b',
        ),
      );
    const properties = fc.constantFrom('constructor', 'toString', 'hasOwnProperty', 'length', '');
    fc.assert(
      fc.property(fc.oneof(variant, properties, fc.string(), fc.string({ unit: 'binary' })), (name) => {
        const found = directory.find(name);
        const plain = name.replace(/:latest$/, '');
        if (known.includes(name) || known.includes(plain)) expect(found).not.toBeNull();
        else expect(found).toBe(plain === 'default' ? first : null);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [model('a'), model('a'), 'a'],
    [model('a', 'b'), model('b'), 'b'],
    [model('a', 'x'), model('b', 'x'), 'x'],
  ])('refuses a name that two have', (one, other, name) => {
    expect(() => new ModelDirectory(one, other)).toThrow(`two models are called "${name}"`);
  });
});
