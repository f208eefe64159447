import {
  Environment,
  Interpreter,
  type BinaryExpression,
  type CallExpression,
  type ForStatement,
  type RuntimeValue,
  type Statement,
  type TestExpression,
} from '@huggingface/jinja';

/** What is no expression, and so prints nothing where it comes to none. */
const SILENT = new Set(['Set', 'Macro', 'Comment', 'Break', 'Continue', 'If', 'For']);

interface Sides {
  readonly left: boolean;
  readonly right: boolean;
}
const STRIPS: Readonly<Partial<Record<string, Sides>>> = {
  strip: { left: true, right: true },
  lstrip: { left: true, right: false },
  rstrip: { left: false, right: true },
};

/** Tests that Python passes for more kinds of values than the library. */
const TRUE_OF: Readonly<Partial<Record<string, readonly string[]>>> = {
  iterable: ['ObjectValue', 'UndefinedValue'],
  sequence: ['ObjectValue', 'UndefinedValue'],
  number: ['BooleanValue'],
};

/** What we put in place of a loop's body, to be evaluated once a turn. */
interface LoopBody extends Statement {
  readonly statements: readonly Statement[];
  /** By a `break`. */
  ended: boolean;
}

/** What we put in place of what a loop goes through. */
interface LoopItems extends Statement {
  readonly of: Statement;
}

/** The library's interpreter, with Python's ways to loop, print, divide, compare, strip and test where it has its own. */
export class JinjaInterpreter extends Interpreter {
  /** `Break` or `Continue`, when a turn of the innermost loop is being left by it. */
  #leaving: 'Break' | 'Continue' | null = null;

  override evaluate(statement: Statement | undefined, environment: Environment): RuntimeValue {
    if (statement?.type === 'LoopBody') return this.#turn(statement as LoopBody, environment);
    if (statement?.type === 'LoopItems') return this.#items(statement as LoopItems, environment);
    if (statement?.type !== 'Break' && statement?.type !== 'Continue') {
      return super.evaluate(statement, environment);
    }
    this.#leaving = statement.type;
    return super.evaluate({ type: 'Comment' }, environment);
  }

  override evaluateFor(node: ForStatement, environment: Environment): RuntimeValue {
    const body: LoopBody = { type: 'LoopBody', statements: node.body, ended: false };
    const { iterable } = node;
    const isFiltered = iterable.type === 'SelectExpression';
    const items: LoopItems = { type: 'LoopItems', of: isFiltered ? iterable.lhs! : iterable };
    const all = isFiltered ? { ...iterable, lhs: items } : items;
    return super.evaluateFor({ ...node, iterable: all, body: [body] }, environment);
  }

  /** What is undefined has none. */
  #items({ of }: LoopItems, environment: Environment): RuntimeValue {
    const items = this.evaluate(of, environment);
    return items.type === 'UndefinedValue'
      ? super.evaluate({ type: 'ArrayLiteral', value: [] }, environment)
      : items;
  }

  /** What a turn of a loop sets is gone with it; what it has printed when it is left stays. */
  #turn(loop: LoopBody, environment: Environment): RuntimeValue {
    if (loop.ended) return this.#text('', environment);
    const text = this.evaluateBlock(loop.statements, new Environment(environment));
    loop.ended = this.#leaving === 'Break';
    this.#leaving = null;
    return text;
  }

  override evaluateBlock(statements: readonly Statement[], environment: Environment): RuntimeValue {
    let text = '';
    for (const statement of statements) {
      const value = this.evaluate(statement, environment);
      text += value.type === 'NullValue' && SILENT.has(statement.type) ? '' : printed(value);
      if (this.#leaving !== null) break;
    }
    return this.#text(text, environment);
  }

  /** The library makes JavaScript's text of what is none. */
  override applyFilter(operand: RuntimeValue, filter: Statement, environment: Environment): RuntimeValue {
    if (filter.value === 'string') return this.#text(printed(operand), environment);
    return super.applyFilter(operand, filter, environment);
  }

  /** What a filter's block sets is gone with it. */
  override evaluateFilterStatement(node: Statement, environment: Environment): RuntimeValue {
    return super.evaluateFilterStatement(node, new Environment(environment));
  }

  override evaluateBinaryExpression(node: BinaryExpression, environment: Environment): RuntimeValue {
    const operator = node.operator.value;
    if (!['~', '==', '!=', '%'].includes(operator)) return super.evaluateBinaryExpression(node, environment);
    const [left, right] = [this.evaluate(node.left, environment), this.evaluate(node.right, environment)];
    if (operator === '~') return this.#text(printed(left) + printed(right), environment);
    if (operator === '%') return this.evaluate(remainder(left, right), environment);
    const value = equal(left, right) === (operator === '==') ? 'true' : 'false';
    return this.evaluate({ type: 'Identifier', value }, environment);
  }

  /** The library strips white space, whichever characters it is told to strip. */
  override evaluateCallExpression(node: CallExpression, environment: Environment): RuntimeValue {
    const { callee, args } = node;
    const side = callee.computed === false ? STRIPS[callee.property.value] : undefined;
    if (side === undefined || args.length !== 1) return super.evaluateCallExpression(node, environment);
    const [text, characters] = [callee.object, args[0]!].map((part) => this.evaluate(part, environment));
    if (text?.type !== 'StringValue' || characters?.type !== 'StringValue') {
      return super.evaluateCallExpression(node, environment);
    }
    return this.#text(strip(String(text.value), new Set(String(characters.value)), side), environment);
  }

  override evaluateTestExpression(node: TestExpression, environment: Environment): RuntimeValue {
    const types = TRUE_OF[node.test.value];
    if (types?.includes(this.evaluate(node.operand, environment).type) !== true) {
      return super.evaluateTestExpression(node, environment);
    }
    return this.evaluate({ type: 'Identifier', value: node.negate ? 'false' : 'true' }, environment);
  }

  /** A value of the library's own kind for texts, which it does not export. */
  #text(value: string, environment: Environment): RuntimeValue {
    return this.evaluate({ type: 'StringLiteral', value }, environment);
  }
}

/** Of a division that is rounded down: of the divisor's sign, as a literal. */
function remainder(left: RuntimeValue, right: RuntimeValue): Statement {
  const types = [left.type, right.type];
  if (!types.every((type) => type === 'IntegerValue' || type === 'FloatValue') || right.value === 0) {
    throw new Error(`cannot compute ${printed(left)} % ${printed(right)}`);
  }
  const [a, b] = [left.value as number, right.value as number];
  return { type: types.includes('FloatValue') ? 'FloatLiteral' : 'IntegerLiteral', value: ((a % b) + b) % b };
}

/** By content; what is not defined equals nothing else, not even none. */
function equal(left: RuntimeValue, right: RuntimeValue): boolean {
  if ((left.type === 'UndefinedValue') !== (right.type === 'UndefinedValue')) return false;
  const [a, b] = [left.value, right.value];
  if (Array.isArray(a) && Array.isArray(b)) {
    const [items, others] = [a as RuntimeValue[], b as RuntimeValue[]];
    return (
      left.type === right.type &&
      items.length === others.length &&
      items.every((item, at) => equal(item, others[at]!))
    );
  }
  if (a instanceof Map && b instanceof Map) {
    const [fields, others] = [a as Map<string, RuntimeValue>, b as Map<string, RuntimeValue>];
    return (
      fields.size === others.size &&
      [...fields].every(([key, field]) => others.has(key) && equal(field, others.get(key)!))
    );
  }
  // True is 1 in Python.
  const [x, y] = [a, b].map((value) => (typeof value === 'boolean' ? Number(value) : value));
  return x === y;
}

function strip(text: string, characters: ReadonlySet<string>, { left, right }: Sides): string {
  const all = Array.from(text);
  const kept = (character: string): boolean => !characters.has(character);
  const start = left ? all.findIndex(kept) : 0;
  const end = right ? all.findLastIndex(kept) + 1 : all.length;
  return start < 0 ? '' : all.slice(start, end).join('');
}

/** Python's `str` of a value; nothing for what is not defined. */
function printed(value: RuntimeValue): string {
  return value.type === 'StringValue' ? String(value.value) : repr(value);
}

function repr(value: RuntimeValue): string {
  switch (value.type) {
    case 'NullValue':
      return 'None';
    case 'UndefinedValue':
      return '';
    case 'BooleanValue':
      return value.value === true ? 'True' : 'False';
    case 'StringValue':
      return quoted(String(value.value));
    case 'ArrayValue':
      return `[${(value.value as RuntimeValue[]).map(repr).join(', ')}]`;
    case 'TupleValue': {
      const items = (value.value as RuntimeValue[]).map(repr);
      return `(${items.join(', ')}${items.length === 1 ? ',' : ''})`;
    }
    case 'ObjectValue': {
      const entries = [...(value.value as Map<string, RuntimeValue>)];
      return `{${entries.map(([key, field]) => `${quoted(key)}: ${repr(field)}`).join(', ')}}`;
    }
    default:
      return value.toString();
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Python's literal of a text: in single quotation marks, unless it has these and no double ones. */
function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll(/[\\\n\r\t]|(?! )[\p{C}\p{Z}]/gu, (character) => {
    const code = character.codePointAt(0)!;
    const digits = (length: number): string => code.toString(16).padStart(length, '0');
    if (ESCAPES[character] !== undefined) return ESCAPES[character];
    if (code < 0x100) return `\\x${digits(2)}`;
    return code < 0x10000 ? `\\u${digits(4)}` : `\\U${digits(8)}`;
  });
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}
