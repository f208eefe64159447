import { lengthOf, membership } from '../languages.js';
import {
  isAmong,
  isRecord,
  schemasOfItem,
  schemasOfKey,
  type Alternatives,
  type Facts,
  type Json,
  type Located,
} from './facts.js';
import { languagesOf } from './strings.js';

/** Whether a value that a schema lists is as the rest of it says. */
export function fits(value: Json, facts: Facts, schemas: Alternatives): boolean {
  schemas.spend();
  if (!isAmong(value, facts.values)) return false;
  if (value === null) return facts.types.includes('null');
  if (typeof value === 'boolean') return facts.types.includes('boolean');
  if (typeof value === 'number') return fitsNumber(value, facts);
  if (typeof value === 'string') return fitsString(value, facts);
  return isRecord(value) ? fitsRecord(value, facts, schemas) : fitsList(value, facts, schemas);
}

const fitsAll = (value: Json, parts: readonly Located[], schemas: Alternatives): boolean =>
  schemas.of(parts).some((facts) => fits(value, facts, schemas));

function fitsNumber(value: number, { types, lower, upper, multiples }: Facts): boolean {
  if (!types.includes('number') && !(types.includes('integer') && Number.isInteger(value))) return false;
  if (lower !== null && !(lower.exclusive ? value > lower.value : value >= lower.value)) return false;
  if (upper !== null && !(upper.exclusive ? value < upper.value : value <= upper.value)) return false;
  return multiples.every((multiple) => value % multiple === 0);
}

function fitsString(value: string, facts: Facts): boolean {
  const { types, minLength, maxLength } = facts;
  const length = lengthOf(value);
  if (!types.includes('string') || length < minLength || length > (maxLength ?? Infinity)) return false;
  const tests = patterns.get(facts) ?? languagesOf(facts).map(membership);
  patterns.set(facts, tests);
  return tests.every((test) => test(value));
}

/** The patterns of facts; by our own automata, for which no pattern is slow. */
const patterns = new WeakMap<Facts, readonly ((text: string) => boolean)[]>();

function fitsList(value: readonly Json[], facts: Facts, schemas: Alternatives): boolean {
  const { types, minItems, maxItems } = facts;
  if (!types.includes('array') || value.length < minItems || value.length > (maxItems ?? Infinity))
    return false;
  return value.every((item, index) => fitsAll(item, schemasOfItem(facts, index), schemas));
}

function fitsRecord(value: Readonly<Record<string, Json>>, facts: Facts, schemas: Alternatives): boolean {
  const { types, required, minProperties, maxProperties, closed } = facts;
  const names = Object.keys(value);
  if (!types.includes('object') || names.length < minProperties || names.length > (maxProperties ?? Infinity))
    return false;
  if (!required.every((name) => Object.hasOwn(value, name))) return false;
  return names.every((name) => {
    const spoken = schemasOfKey(facts, name);
    return !(closed && spoken.length === 0) && fitsAll(value[name]!, spoken, schemas);
  });
}
