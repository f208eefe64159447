import { lexer, type Token } from 'marked';
import { blocksOf } from '../../../services/console/chat/blocks.js';

const TEXT = `# A title

A paragraph with **strong**, _soft_ and \`code\`,
over two lines.
It turns into a heading
---

- one
- two

  goes on
- three
  1. deep

> a quote
> - with a list

| a | b |
| - | - |
| 1 | 2 |

\`\`\`js
const a = 1;

# no heading
\`\`\`

    indented

text<br>more [link](https://example.org) end
`;

const shape = (blocks: readonly Token[]): unknown => JSON.parse(JSON.stringify(blocks));

test('a text that grows has at each character the blocks that it has by itself', () => {
  let known: readonly Token[] = [];
  for (let length = 0; length <= TEXT.length; length++) {
    const text = TEXT.slice(0, length);
    known = blocksOf(text, known);
    expect([text, shape(known)]).toEqual([text, shape(lexer(text, { gfm: true }))]);
  }
});

test('blocks that have not changed are the same objects, of another text none is', () => {
  const before = blocksOf(TEXT, []);
  const after = blocksOf(`${TEXT}\nmore`, before);
  const same = after.filter((block) => before.includes(block));
  expect(same.length).toBeGreaterThan(before.length - 5);
  expect(blocksOf(TEXT.replace('title', 'other'), before).some((block) => before.includes(block))).toBe(
    false,
  );
});

test('what is too long or too deep to be marked up stays as it was written', () => {
  const long = `**${'a'.repeat(10_000)}**`;
  expect(blocksOf(long, [])).toMatchObject([{ type: 'paragraph', tokens: [{ type: 'text', text: long }] }]);
  const deep = '>'.repeat(100_000);
  const began = performance.now();
  expect(
    blocksOf(deep, [])
      .map(({ raw }) => raw)
      .join(''),
  ).toBe(deep);
  expect(performance.now() - began).toBeLessThan(5_000);
});
