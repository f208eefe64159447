import fc from 'fast-check';
import {
  constraintOf,
  fromSamplingMessage,
  toSamplingMessage,
  type SamplingParams,
} from '../../../services/lib/sampling/params.js';
import {
  fromSampledMessage,
  toSampledFields,
  type StepTokens,
} from '../../../services/lib/sampling/step-tokens.js';
import { decodeMessage, encodeMessage, message, type MessageBody } from '../../../services/lib/wire/codec.js';
import { neutral } from '../../support/sampling.js';

const overTheWire = (body: MessageBody) => decodeMessage(encodeMessage(message(body))).body;

const ids = fc.array(fc.nat(200_000), { maxLength: 4 });

describe('sampling parameters', () => {
  const receive = (params: SamplingParams): SamplingParams => {
    const body = overTheWire({ case: 'open', value: { sampling: toSamplingMessage(params) } });
    if (body.case !== 'open') throw new Error(body.case);
    return fromSamplingMessage(body.value.sampling!);
  };
  const constraints = fc.option(
    fc
      .record({ source: fc.string({ unit: 'grapheme' }), endIds: ids })
      .map(({ source, endIds }) => constraintOf(source, endIds)),
  );

  it('reach the head as they are, with a grammar or none', () => {
    fc.assert(
      fc.property(constraints, fc.option(fc.nat(20)), ids, (constraint, logprobs, stopIds) => {
        const params = { ...neutral, logitBias: [[3, -1]] as const, stopIds, constraint, logprobs };
        expect(receive(params)).toMatchObject(params);
      }),
    );
  });

  it('name a grammar by what it says, whatever its sender calls it', () => {
    const constraint = {
      ...constraintOf('root ::= "a"', [2]),
      digest: constraintOf('root ::= "b"', [2]).digest,
    };
    const received = receive({ ...neutral, constraint }).constraint!;
    expect(received).toEqual(constraintOf('root ::= "a"', [2]));
    expect(received.digest).not.toBe(constraint.digest);
  });
});

describe('what a step brought', () => {
  const receive = (step: StepTokens): StepTokens | null => {
    const body = overTheWire({ case: 'tokens', value: { sampled: [toSampledFields(step)] } });
    if (body.case !== 'tokens') throw new Error(body.case);
    return fromSampledMessage(body.value.sampled[0]!);
  };
  // No denormals: where an engine has run in this process, its thread takes them for zero.
  const logprob = fc.oneof(
    fc.float({ max: -(2 ** -126), noNaN: true }),
    fc.constant(0),
    fc.constant(-Infinity),
  );
  const rated = fc
    .record({ logprob, rank: fc.nat(), top: fc.array(fc.tuple(fc.nat(200_000), logprob), { maxLength: 3 }) })
    .map(({ top, ...token }) => ({
      ...token,
      ids: top.map(([id]) => id),
      values: top.map(([, value]) => value),
    }));
  const tokens = fc.array(fc.tuple(fc.nat(200_000), rated), { minLength: 1, maxLength: 4 });
  const scored = fc.record({
    from: fc.nat(1_000),
    logprobs: fc.array(rated, { minLength: 1, maxLength: 3 }),
  });

  it('reaches the gateway as it is', () => {
    fc.assert(
      fc.property(tokens, fc.option(scored), fc.boolean(), fc.boolean(), (sampled, score, wanted, ended) => {
        const step: StepTokens = {
          tokens: sampled.map(([id]) => id),
          ...(wanted && { logprobs: sampled.map(([, each]) => each) }),
          ...(score !== null && { scored: score }),
          ...(ended && { ended }),
        };
        const received = receive(step)!;
        expect(received).toMatchObject(step);
        expect(Object.keys(received)).toEqual(Object.keys(step));
      }),
    );
  });
});
