import { ServingError } from '../../errors/serving-error.js';
import { charactersOf, rangesOf } from '../characters.js';
import { intersection, languageOf } from '../languages.js';
import {
  alt,
  chars,
  EMPTY,
  NEVER,
  optional,
  ref,
  repeat,
  Rules,
  seq,
  text,
  type Grammar,
  type Node,
} from '../ir.js';
import { unsupportedSchema, type Bound, type Facts } from './facts.js';

/** Digits before the point, as many as `JSON.stringify` writes before it turns to exponents. */
const WHOLE_DIGITS = 21;
/** Digits behind it. */
const FRACTION_DIGITS = 20;
/** Decimals of so many digits keep their order as doubles, and whole numbers of so many are doubles. */
const EXACT_DIGITS = 15;

const digits = (first: number, last: number): Node => chars(rangesOf([[48 + first, 48 + last]]));
const DIGIT = digits(0, 9);
const SOME = repeat(DIGIT, 0, null);
const whole = (count: number | null): Node =>
  alt(text('0'), seq(digits(1, 9), repeat(DIGIT, 0, count === null ? null : count - 1)));
const POINT = text('.');

const decimal = (fraction: number): Node =>
  seq(optional(text('-')), whole(WHOLE_DIGITS), optional(seq(POINT, repeat(DIGIT, 1, fraction))));
const integer = (most: number): Node =>
  alt(text('0'), seq(optional(text('-')), digits(1, 9), repeat(DIGIT, 0, most - 1)));
/** What every reader of JSON keeps as it is (RFC 7493, 2.2); longer ones are written only where a bound has as many digits. */
const INTEGER = integer(EXACT_DIGITS);
const LONG_INTEGER = integer(WHOLE_DIGITS);
/** With exponents of two digits: of three, a double may have no room. */
const NUMBER = seq(
  decimal(FRACTION_DIGITS),
  optional(seq(chars(charactersOf('eE')), optional(chars(charactersOf('+-'))), repeat(DIGIT, 1, 2))),
);

export const anyNumber = (rules: Rules): Node => rules.named('number', () => NUMBER);

/** A JSON number; where it has bounds, without an exponent. Throws `unsupported_schema`. */
export function numberNode(rules: Rules, { types, lower, upper, multiples }: Facts, pointer: string): Node {
  const isWhole = !types.includes('number') || multiples.length > 0;
  const low = isLoose(lower, -1) ? null : lower;
  const high = isLoose(upper, 1) ? null : upper;
  const divisors = multiples.filter((multiple) => multiple > 1);
  if (low === null && high === null && divisors.length === 0) {
    return isWhole ? rules.named('integer', () => INTEGER) : anyNumber(rules);
  }
  const bounds = [low, high].flatMap((bound) => (bound === null ? [] : [decimalOf(bound, pointer)]));
  const wholes = bounds.some(({ whole }) => whole.length > EXACT_DIGITS) ? LONG_INTEGER : INTEGER;
  return rules.named(`number ${JSON.stringify([isWhole, low, high, divisors])}`, () => {
    try {
      return intersection(rules, [
        languageOf(isWhole ? wholes : decimal(fractionDigits(bounds, pointer))),
        ...(low === null ? [] : [languageOf(atLeast(decimalOf(low, pointer)))]),
        ...(high === null ? [] : [languageOf(atMost(decimalOf(high, pointer)))]),
        ...divisors.map(multiplesOf),
      ]);
    } catch (error) {
      throw unsupportedSchema(pointer, ServingError.from(error).message);
    }
  });
}

/** Beyond all that is written with so many digits. */
const isLoose = (bound: Bound | null, sign: 1 | -1): boolean =>
  bound === null || bound.value * sign >= 10 ** WHOLE_DIGITS;

interface Decimal {
  readonly negative: boolean;
  /** Without leading zeros, but for 0 itself. */
  readonly whole: string;
  /** Without trailing zeros. */
  readonly fraction: string;
  readonly exclusive: boolean;
}

function decimalOf({ value, exclusive }: Bound, pointer: string): Decimal {
  const [, mantissa, exponent = '0'] = /^([\d.]+)(?:e(.*))?$/.exec(String(Math.abs(value)))!;
  const [before, after = ''] = mantissa!.split('.') as [string, string?];
  const point = before.length + Number(exponent);
  const all = before + after;
  const digits = point < 0 ? '0'.repeat(-point) + all : all.padEnd(point, '0');
  const [head, tail] = [digits.slice(0, Math.max(point, 0)), digits.slice(Math.max(point, 0))];
  const fraction = tail.replace(/0+$/, '');
  const isBlurred = exclusive && Math.abs(value) >= 2 ** 53;
  if (fraction.length > FRACTION_DIGITS || head.length > WHOLE_DIGITS || isBlurred) {
    throw unsupportedSchema(pointer, `the bound ${value} has too many digits`);
  }
  return { negative: value < 0, whole: head.replace(/^0+(?=.)/, '') || '0', fraction, exclusive };
}

/** So few that what is beyond an exclusive bound as a decimal is beyond it as a double. */
function fractionDigits(bounds: readonly Decimal[], pointer: string): number {
  const strict = bounds.filter(({ exclusive }) => exclusive);
  const most = Math.min(FRACTION_DIGITS, ...strict.map(({ whole }) => EXACT_DIGITS - whole.length));
  if (strict.every(({ fraction }) => fraction.length <= most) && most > 0) return most;
  throw unsupportedSchema(pointer, `an exclusive bound of more than ${EXACT_DIGITS} digits`);
}

const NEGATIVE = seq(text('-'), whole(null), optional(seq(POINT, SOME)));
const ZERO: Decimal = { negative: false, whole: '0', fraction: '', exclusive: true };

function atLeast(bound: Decimal): Node {
  if (!bound.negative) return magnitudeFrom(bound);
  return alt(magnitudeFrom({ ...ZERO, exclusive: false }), seq(text('-'), magnitudeTo(bound)));
}

function atMost(bound: Decimal): Node {
  if (bound.negative) return seq(text('-'), magnitudeFrom(bound));
  const isZero = bound.whole === '0' && bound.fraction === '';
  // −0 is 0.
  const below = isZero && bound.exclusive ? seq(text('-'), magnitudeFrom(ZERO)) : NEGATIVE;
  return alt(below, magnitudeTo(bound));
}

/** Numbers without a sign that are at least the bound, or above it. */
function magnitudeFrom({ whole: own, fraction, exclusive }: Decimal): Node {
  const anyFraction = optional(seq(POINT, SOME));
  const more = Array.from(own, (digit, index) => {
    return seq(
      text(own.slice(0, index)),
      above(digit),
      repeat(DIGIT, own.length - index - 1, own.length - index - 1),
      anyFraction,
    );
  });
  const longer = seq(digits(1, 9), repeat(DIGIT, own.length, null), anyFraction);
  const positive = seq(repeat(text('0'), 0, null), digits(1, 9), SOME);
  const beyond = Array.from(fraction, (digit, index) =>
    seq(POINT, text(fraction.slice(0, index)), above(digit), SOME),
  );
  const equal = exclusive
    ? seq(POINT, text(fraction), positive)
    : fraction === ''
      ? anyFraction
      : seq(POINT, text(fraction), SOME);
  return alt(longer, ...more, seq(text(own), alt(...beyond, equal)));
}

/** Numbers without a sign that are at most the bound, or below it. */
function magnitudeTo({ whole: own, fraction, exclusive }: Decimal): Node {
  const anyFraction = optional(seq(POINT, SOME));
  const less = Array.from(own, (digit, index) => {
    const smallest = index === 0 && own.length > 1 ? 1 : 0;
    return seq(
      text(own.slice(0, index)),
      below(digit, smallest),
      repeat(DIGIT, own.length - index - 1, own.length - index - 1),
      anyFraction,
    );
  });
  const shorter = own.length === 1 ? NEVER : seq(whole(own.length - 1), anyFraction);
  const zeros = repeat(text('0'), 0, null);
  const under = Array.from(fraction, (digit, index) => [
    seq(POINT, text(fraction.slice(0, index)), below(digit, 0), SOME),
    index === 0 ? EMPTY : seq(POINT, text(fraction.slice(0, index))),
  ]).flat();
  const equal = exclusive
    ? NEVER
    : fraction === ''
      ? optional(seq(POINT, zeros))
      : seq(POINT, text(fraction), zeros);
  return alt(shorter, ...less, seq(text(own), alt(...under, equal)));
}

const above = (digit: string): Node => (digit === '9' ? NEVER : digits(Number(digit) + 1, 9));
const below = (digit: string, from: number): Node =>
  Number(digit) <= from ? NEVER : digits(from, Number(digit) - 1);

/** The whole numbers that `divisor` divides: a state for each remainder of what has been read. */
function multiplesOf(divisor: number): Grammar {
  const rules = new Rules();
  for (let rest = 0; rest < divisor; rest++) {
    const ways = Array.from({ length: 10 }, (_, digit) =>
      seq(digits(digit, digit), ref(`${(rest * 10 + digit) % divisor}`)),
    );
    rules.define(`${rest}`, alt(...ways, ...(rest === 0 ? [EMPTY] : [])));
  }
  return rules.grammar(seq(optional(text('-')), ref('0')));
}
