import { alt, NEVER, optional, ref, repeat, seq, text, type Node, type Rules } from '../ir.js';
import { Expansion } from './alternatives.js';
import { COLON, COMMA, listNode, recordNode } from './containers.js';
import { SchemaDocument } from './document.js';
import { isRecord, type Facts, type Json, type Located, type Type } from './facts.js';
import { fits } from './fits.js';
import { anyNumber, numberNode } from './numbers.js';
import { anyString, stringNode } from './strings.js';

/**
 * The values of a JSON schema, as JSON without line breaks; a part of any grammar whose rules these are. Whatever it lets
 * through is valid; of what is valid it lets through one spelling, that of `JSON.stringify` with or without spaces behind
 * commas and colons, with keys in the order of `properties`. Keys that a schema with `properties` does not speak of are
 * left out unless it has `additionalProperties`. Throws `unsupported_schema` with a JSON Pointer for what cannot be followed
 * exactly.
 */
export const schemaNode = (rules: Rules, schema: unknown): Node =>
  new SchemaConverter(rules, schema).convert();

/** Any JSON value, as `schemaNode` spells it. */
export const anyValue = (rules: Rules): Node =>
  rules.named('value', () =>
    alt(
      anyRecord(rules),
      anyList(rules),
      anyString(rules),
      anyNumber(rules),
      text('true'),
      text('false'),
      text('null'),
    ),
  );

const anyList = (rules: Rules): Node =>
  rules.named('array', () => seq(text('['), optional(listed(anyValue(rules))), text(']')));

/** Any JSON object. */
export const anyRecord = (rules: Rules): Node =>
  rules.named('object', () => {
    const pair = seq(anyString(rules), COLON, anyValue(rules));
    return seq(text('{'), optional(listed(pair)), text('}'));
  });

const listed = (item: Node): Node => seq(item, repeat(seq(COMMA, item), 0, null));

class SchemaConverter {
  readonly #rules: Rules;
  readonly #document: SchemaDocument;
  readonly #alternatives: Expansion;
  /** Before the names of this schema's rules. */
  readonly #name: string;
  /** Rules that are named and not made: a schema refers as far as it likes. */
  readonly #waiting: { readonly name: string; readonly schemas: readonly Located[] }[] = [];

  constructor(rules: Rules, schema: unknown) {
    this.#rules = rules;
    this.#document = new SchemaDocument(schema);
    this.#alternatives = new Expansion(this.#document);
    this.#name = rules.fresh();
  }

  convert(): Node {
    const root = this.#nodeOf([this.#document.root]);
    for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) {
      const { name, schemas } = next;
      const pointer = schemas[0]?.pointer ?? '';
      const nodes = this.#alternatives.of(schemas).flatMap((facts) => this.#nodesOf(facts, pointer));
      this.#rules.define(name, alt(...nodes));
    }
    return root;
  }

  /** A ref to the rule of these schemas together. */
  readonly #nodeOf = (schemas: readonly Located[]): Node => {
    const spoken = schemas.filter(
      ({ schema }) => schema !== true && !(isRecord(schema) && Object.keys(schema).length === 0),
    );
    if (spoken.length === 0) return anyValue(this.#rules);
    const unique = new Map(spoken.map((each) => [each.pointer, each]));
    const name = `${this.#name} ${[...unique.keys()].join(' ')}`;
    if (!this.#rules.has(name)) {
      this.#rules.define(name, NEVER);
      this.#waiting.push({ name, schemas: [...unique.values()] });
    }
    return ref(name);
  };

  #nodesOf(facts: Facts, pointer: string): Node[] {
    if (facts.values !== null) {
      return facts.values.filter((value) => fits(value, facts, this.#alternatives)).map(constant);
    }
    // Whole numbers are numbers.
    const types = facts.types.filter((type) => type !== 'integer' || !facts.types.includes('number'));
    return types.map((type) => this.#nodeOfType(type, facts, pointer));
  }

  #nodeOfType(type: Type, facts: Facts, pointer: string): Node {
    switch (type) {
      case 'null':
        return text('null');
      case 'boolean':
        return alt(text('true'), text('false'));
      case 'integer':
      case 'number':
        return numberNode(this.#rules, facts, pointer);
      case 'string':
        return stringNode(this.#rules, facts, pointer);
      case 'array':
        return listNode(this.#rules, facts, this.#nodeOf);
      case 'object':
        return recordNode(this.#rules, facts, this.#nodeOf, pointer);
    }
  }
}

/** One value; keys in its own order. */
function constant(value: Json): Node {
  if (Array.isArray(value))
    return seq(text('['), ...between((value as readonly Json[]).map(constant)), text(']'));
  if (!isRecord(value)) return text(JSON.stringify(value));
  const pairs = Object.entries(value).map(([name, inner]) =>
    seq(text(JSON.stringify(name)), COLON, constant(inner)),
  );
  return seq(text('{'), ...between(pairs), text('}'));
}

const between = (nodes: readonly Node[]): Node[] =>
  nodes.flatMap((node, index) => (index === 0 ? [node] : [COMMA, node]));
