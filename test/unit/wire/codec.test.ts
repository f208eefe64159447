import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import {
  ACTIVATION_TYPES,
  type ActivationType,
  bytesPerActivation,
  newActivations,
} from '../../../services/lib/model/activations.js';
import { MAX_DRAFT } from '../../../services/lib/model/step.js';
import {
  decodeMessage,
  encodeMessage,
  encodeParts,
  MAX_FRAME_BYTES,
  message,
} from '../../../services/lib/wire/codec.js';
import {
  frameCost,
  maxRowsPerFrame,
  packFrames,
  unpackFrame,
  type Rows,
} from '../../../services/lib/wire/frames.js';
import { FrameSchema, ItemSchema, type Frame } from '../../../services/lib/wire/gen/stage_pb.js';

const itemOf = (sequence: string, count: number) => ({
  sequence,
  epoch: 1,
  position: 0,
  count,
  logits: 1,
  draft: [],
});

const LONG = new Array<number>(17).fill(1);

const activationRows = (hidden: number, type: ActivationType) =>
  fc.array(
    fc.integer({ min: 1, max: 5 }).map((count): Rows => {
      const activations = newActivations(type, count * hidden);
      activations.set(Array.from(activations, (_, index) => index / (type === 'f32' ? 3 : 1)));
      return { item: itemOf(`s${count}`, count), activations };
    }),
    { minLength: 1, maxLength: 8 },
  );

describe('frames', () => {
  it.each(ACTIVATION_TYPES)('survive packing, encoding, decoding and unpacking, in %s', (activations) => {
    fc.assert(
      fc.property(activationRows(6, activations), (rows) => {
        const received = packFrames(rows).flatMap((frame) => {
          const { body } = decodeMessage(encodeMessage(message({ case: 'frame', value: frame })));
          if (body.case !== 'frame') throw new Error('not a frame');
          return unpackFrame(body.value, { hidden: 6, activations, vocabulary: 10 }).rows;
        });
        expect(received.map((part) => 'activations' in part && [...part.activations])).toEqual(
          rows.map((part) => 'activations' in part && [...part.activations]),
        );
        expect(received.map(({ item }) => item.sequence)).toEqual(rows.map(({ item }) => item.sequence));
      }),
    );
  });

  it('are encoded in parts as in one, with the activations where they lay', () => {
    const tokens = fc.array(fc.nat(100_000), { maxLength: 3 });
    fc.assert(
      fc.property(activationRows(6, 'f16'), tokens, (rows, ids) => {
        for (const frame of packFrames(rows)) {
          const value = message({ case: 'frame', value: { ...frame, tokens: ids } });
          const parts = encodeParts(value);
          expect(Buffer.concat(parts)).toEqual(encodeMessage(value));
          expect(parts[1]!.buffer).toBe(frame.activations.buffer);
        }
      }),
    );
    const ping = message({ case: 'ping', value: { nonce: 7 } });
    expect(encodeParts(ping)).toEqual([encodeMessage(ping)]);
  });

  it.each([0, 1, 3])(
    'of rows that lie %d values apart hold just them, copied only where there is a gap',
    (gap) => {
      const step = Uint16Array.from({ length: 40 }, (_, index) => index);
      const rows = [0, 1, 2].map((row): Rows => {
        const from = 1 + row * (6 + gap);
        return { item: itemOf(`s${row}`, 1), activations: step.subarray(from, from + 6) };
      });
      const [{ activations }] = packFrames(rows) as [Frame];
      const joined = rows.flatMap((each) => ('activations' in each ? [...each.activations] : []));
      expect([...new Uint16Array(activations.slice().buffer)]).toEqual(joined);
      expect(activations.buffer === step.buffer).toBe(gap === 0);
    },
  );

  it('stay below the size limit, however many rows there are', () => {
    const hidden = 576;
    const rows = Array.from({ length: 4_000 }, (_, index): Rows => ({
      item: {
        ...itemOf(`${'a'.repeat(63)}-${index}`, 1),
        logits: MAX_DRAFT + 1,
        draft: new Array<number>(MAX_DRAFT).fill(200_000),
      },
      activations: new Float32Array(hidden),
    }));
    const sizes = packFrames(rows).map(
      (frame) => encodeMessage(message({ case: 'frame', value: frame })).length,
    );
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
  });

  it('hold one item of the most rows that fit', () => {
    for (const type of ACTIVATION_TYPES) {
      for (const hidden of [64, 576, 5_120]) {
        const count = maxRowsPerFrame(hidden, type);
        const activations = newActivations(type, count * hidden);
        const [frame] = packFrames([{ item: itemOf('s', count), activations }]);
        expect(frameCost(frame!)).toBe(count * hidden * bytesPerActivation[type]);
        const { length } = encodeMessage(message({ case: 'frame', value: frame! }));
        expect(length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
      }
    }
  });

  it.each([
    ['too few bytes', { items: [itemOf('s', 2)], activations: new Uint8Array(24) }, 6],
    ['halves where floats belong', { items: [itemOf('s', 1)], activations: new Uint8Array(12) }, 6],
    ['token ids where activations belong', { items: [itemOf('s', 1)], tokens: [1] }, 6],
    [
      'activations where token ids belong',
      { items: [itemOf('s', 1)], activations: new Uint8Array(24) },
      null,
    ],
    ['a token outside the vocabulary', { items: [itemOf('s', 1)], tokens: [10] }, null],
    ['an item without rows', { items: [itemOf('s', 0)] }, null],
    [
      'more rows of logits than rows',
      { items: [{ ...itemOf('s', 1), logits: 2, draft: [1] }], tokens: [1] },
      null,
    ],
    [
      'a row of logits that was not drafted',
      { items: [{ ...itemOf('s', 2), logits: 2 }], tokens: [1, 2] },
      null,
    ],
    [
      'a draft that is too long',
      { items: [{ ...itemOf('s', 17), logits: 17, draft: new Array<number>(16).fill(1) }], tokens: LONG },
      null,
    ],
    ['more rows to score than rows', { items: [{ ...itemOf('s', 1), score: 2 }], tokens: [1] }, null],
  ])('are refused with %s', (_name, { items, ...content }, hidden) => {
    const frame = create(FrameSchema, { items: items.map((item) => create(ItemSchema, item)), ...content });
    const { rows, refused } = unpackFrame(frame, { hidden, activations: 'f32', vocabulary: 10 });
    expect(rows).toEqual([]);
    expect(refused).toMatchObject([{ item: { sequence: 's' }, reason: { code: 'invalid_frame' } }]);
  });

  it('may have as many rows to score as 8 MiB hold logits, and no more', () => {
    const unpacked = (count: number) =>
      unpackFrame(
        create(FrameSchema, {
          items: [create(ItemSchema, { ...itemOf('s', count), score: count })],
          tokens: new Array<number>(count).fill(1),
        }),
        { hidden: null, activations: 'f32', vocabulary: 1 << 18 },
      );
    expect(unpacked(8).rows).toHaveLength(1);
    expect(unpacked(9).refused).toMatchObject([{ reason: { code: 'invalid_frame' } }]);
  });
});

describe('the decoder', () => {
  it('answers any bytes with a message or invalid_frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(decodeMessage(bytes).body.case).toBeDefined();
        } catch (error) {
          expect(error).toBeInstanceOf(ServingError);
          expect((error as ServingError).code).toBe('invalid_frame');
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes any damage to a valid frame for a frame or for invalid_frame', () => {
    const [frame] = packFrames([{ item: itemOf('s', 3), tokens: [1, 2, 3] }]);
    const valid = encodeMessage(message({ case: 'frame', value: frame! }));
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length), (at, byte, length) => {
        const damaged = Uint8Array.from(valid).subarray(0, length);
        if (at < length) damaged[at] = byte;
        try {
          const { body } = decodeMessage(damaged);
          if (body.case === 'frame')
            unpackFrame(body.value, { hidden: null, activations: 'f32', vocabulary: 10 });
        } catch (error) {
          expect((error as ServingError).code).toBe('invalid_frame');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
