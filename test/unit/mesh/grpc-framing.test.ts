import fc from 'fast-check';
import { MessageReader, prefixOf } from '../../../services/lib/mesh/grpc-framing.js';
import { thrownBy } from '../../support/thrown-by.js';

/** The bytes, cut wherever two of the places lie. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe('length-prefixed messages', () => {
  it('are whole again however they were cut, each in memory of its own that ends on a boundary', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 8 }), (sent, places) => {
        const bytes = Buffer.concat(sent.flatMap((each) => [prefixOf(each.length), each]));
        const reader = new MessageReader(40);
        const received = cut(bytes, places).flatMap((chunk) => reader.push(chunk));
        expect(received.map((each) => [...each])).toEqual(sent.map((each) => [...each]));
        for (const { buffer, byteOffset, length } of received) {
          expect((byteOffset + length) % 8).toBe(0);
          expect(buffer.byteLength - length).toBeLessThan(8);
        }
      }),
    );
  });

  it.each([
    ['one that is longer than may be', Buffer.from([0, 0, 0, 0, 41])],
    ['a compressed one', Buffer.from([1, 0, 0, 0, 1, 7])],
  ])('are refused with %s, before any of it is kept', async (_, bytes) => {
    expect(await thrownBy(() => new MessageReader(40).push(bytes))).toMatchObject({ code: 'invalid_frame' });
  });
});
