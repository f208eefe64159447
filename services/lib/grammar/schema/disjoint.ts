import { commonTypes, schemasOfKey, type Alternatives, type Facts, type Type } from './facts.js';
import { fits } from './fits.js';

/** How deep properties are compared. */
const DEPTH = 4;

/** Whether it is certain that no value is as both say. */
export function disjoint(a: Facts, b: Facts, schemas: Alternatives, depth = 0): boolean {
  schemas.spend();
  if (a.values !== null)
    return a.values.every((value) => !fits(value, a, schemas) || !fits(value, b, schemas));
  if (b.values !== null) return disjoint(b, a, schemas, depth);
  return commonTypes(a.types, b.types).every((type) => disjointAs(type, a, b, schemas, depth));
}

function disjointAs(type: Type, a: Facts, b: Facts, schemas: Alternatives, depth: number): boolean {
  switch (type) {
    case 'integer':
    case 'number':
      return isBelow(a, b) || isBelow(b, a);
    case 'string':
      return isShorter(a, b) || isShorter(b, a);
    case 'array':
      return (a.maxItems ?? Infinity) < b.minItems || (b.maxItems ?? Infinity) < a.minItems;
    case 'object':
      return hasOwnKey(a, b, schemas, depth) || hasOwnKey(b, a, schemas, depth);
    case 'boolean':
    case 'null':
      return false;
  }
}

const isBelow = ({ upper }: Facts, { lower }: Facts): boolean =>
  upper !== null &&
  lower !== null &&
  (upper.value < lower.value || (upper.value === lower.value && (upper.exclusive || lower.exclusive)));

const isShorter = (a: Facts, b: Facts): boolean => a.maxLength !== null && a.maxLength < b.minLength;

/** Whether `a` asks for a key that `b` forbids, or of which `b` says something else, as a discriminator is. */
function hasOwnKey(a: Facts, b: Facts, schemas: Alternatives, depth: number): boolean {
  if (depth >= DEPTH) return false;
  return a.required.some((name) => {
    const [own, others] = [schemas.of(schemasOfKey(a, name)), schemas.of(schemasOfKey(b, name))];
    return own.every((left) => others.every((right) => disjoint(left, right, schemas, depth + 1)));
  });
}
