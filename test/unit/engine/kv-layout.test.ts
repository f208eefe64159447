import { bytesPerToken, int8Layout, plainLayout } from '../../../services/lib/engine/kv/kv-layout.js';

test('a token takes four bytes for each value, or one and four for each row', () => {
  const shape = { planes: 4, kvHeads: 2, headDim: 3 };
  expect(bytesPerToken(plainLayout(shape))).toBe(4 * 2 * 3 * 4);
  expect(bytesPerToken(int8Layout(shape))).toBe(4 * 2 * (3 + 4));
});
