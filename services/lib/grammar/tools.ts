import { ServingError } from '../errors/serving-error.js';
import { untilTrigger } from './free-text.js';
import { alt, chars, EMPTY, optional, ref, repeat, seq, text, type Node, type Rules } from './ir.js';
import { COLON, COMMA } from './schema/containers.js';
import { schemaNode } from './schema/schema-node.js';

/** How a model writes calls, as `lib/model/text/tool-style.ts` has it. */
export interface CallStyle {
  readonly layout: 'tagged' | 'listed' | 'headed' | 'bare';
  readonly begin: string;
  readonly end: string;
  readonly arguments: string;
}

export interface CallForm {
  readonly style: CallStyle;
  /** At least one. */
  readonly tools: readonly {
    readonly name: string;
    readonly parameters: Readonly<Record<string, unknown>>;
    /** To blame where these are no schema that can be followed. */
    readonly param: string;
  }[];
  /** `auto`: the answer may be any text, and what in it is a call has to be one of a tool. `required`: it is calls. */
  readonly choice: 'auto' | 'required';
  /** Whether there may be several calls. */
  readonly parallel: boolean;
}

/**
 * An answer in which every call has the name of a tool and arguments of its schema. Throws `unsupported_schema` with the
 * schema of the tool as its param.
 */
export function callsNode(rules: Rules, form: CallForm): Node {
  const { layout } = form.style;
  const call = rules.define(rules.fresh(), alt(...form.tools.map((tool) => callNode(rules, form, tool))));
  return layout === 'bare' ? bareCalls(rules, form, call) : begunCalls(rules, form, call);
}

function callNode(
  rules: Rules,
  { style }: CallForm,
  { name, parameters, param }: CallForm['tools'][number],
): Node {
  const args = argumentsNode(rules, parameters, param);
  if (style.layout === 'headed') return seq(text(`${name}[ARGS]`), args);
  const named = seq(text('{"name"'), COLON, text(JSON.stringify(name)));
  return seq(named, COMMA, text(JSON.stringify(style.arguments)), COLON, args, text('}'));
}

function argumentsNode(rules: Rules, parameters: Readonly<Record<string, unknown>>, param: string): Node {
  try {
    return schemaNode(rules, { type: 'object', ...parameters });
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    throw new ServingError(error.code, `${param}: ${error.message}`, { param, cause: error });
  }
}

const LINE = optional(text('\n'));
const SPACE = optional(text(' '));

const several = (item: Node, between: Node, parallel: boolean): Node =>
  parallel ? seq(item, repeat(seq(between, item), 0, null)) : item;

/** Calls that something stands before: a call begins where that has been said, and nowhere else. */
function begunCalls(rules: Rules, { style, choice, parallel }: CallForm, call: Node): Node {
  const { layout, begin, end } = style;
  const behind = {
    tagged: seq(LINE, call, LINE, text(end)),
    listed: seq(SPACE, text('['), several(call, COMMA, parallel), text(']')),
    headed: call,
    bare: call,
  }[layout];
  const begun = seq(text(begin), behind);
  const repeats = parallel && layout !== 'listed';
  if (choice === 'required') return several(begun, layout === 'tagged' ? LINE : EMPTY, repeats);
  const whole = rules.fresh();
  const then = seq(behind, repeats ? ref(whole) : EMPTY);
  return rules.define(whole, untilTrigger(rules, [{ begin, then }], { mayEnd: true }));
}

/** As many as white space that a model begins with may have. */
const MOST_SPACES = 4;

/** Calls that begin an answer by themselves: whether it is one, its first brace tells. */
function bareCalls(rules: Rules, { style, choice, parallel }: CallForm, call: Node): Node {
  const calls = several(call, seq(text(';'), SPACE), parallel);
  const { begin } = style;
  if (choice === 'required') return seq(optional(text(begin)), calls);
  const spaces = repeat(
    chars([
      [0x0a, 0x0a],
      [0x20, 0x20],
    ]),
    0,
    MOST_SPACES,
  );
  const others = untilTrigger(rules, [{ begin, then: calls }], { mayEnd: true, notFirst: '{' });
  return alt(seq(spaces, calls), others);
}
