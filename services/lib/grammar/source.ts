import { parseGbnf } from './gbnf.js';
import { alt, Rules, text, writeGrammar, type Grammar, type Node } from './ir.js';
import { invalidGrammar, limits } from './limits.js';
import { normalize } from './normalize.js';
import { regexNode } from './regex.js';
import { anyRecord, schemaNode } from './schema/schema-node.js';
import { callsNode, type CallForm } from './tools.js';

/** What a request may ask of a whole answer. */
export type Form = PlainForm | { readonly kind: 'grammar'; readonly grammar: string } | AnswerWithCalls;

/** Those that calls of tools may be beside. */
export type PlainForm =
  | { readonly kind: 'json_object' }
  | { readonly kind: 'json_schema'; readonly schema: unknown }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

/** Calls of tools, and where there are none, what the answer has to be, if it has to be anything. */
interface AnswerWithCalls extends CallForm {
  readonly kind: 'calls';
  readonly otherwise: PlainForm | null;
}

/**
 * The source of a constraint, as `compileConstraint` takes it. Takes milliseconds, and of hostile forms up to some hundred:
 * not for an event loop. Throws `invalid_grammar`, and `unsupported_schema` with a JSON Pointer.
 */
export function sourceOfForm(form: Form): string {
  if (form.kind === 'grammar') return sourceOf(parseGbnf(form.grammar));
  const rules = new Rules();
  return sourceOf(rules.grammar(form.kind === 'calls' ? answerNode(rules, form) : plainNode(rules, form)));
}

function answerNode(rules: Rules, { otherwise, ...form }: AnswerWithCalls): Node {
  if (otherwise === null || form.choice === 'required') return callsNode(rules, form);
  return alt(callsNode(rules, { ...form, choice: 'required' }), plainNode(rules, otherwise));
}

function plainNode(rules: Rules, form: PlainForm): Node {
  switch (form.kind) {
    case 'json_object':
      return anyRecord(rules);
    case 'json_schema':
      return schemaNode(rules, form.schema);
    case 'regex':
      return regexNode(form.pattern, { search: false });
    case 'choice':
      requireSize(form.choices.join(''));
      return alt(...form.choices.map(text));
  }
}

function requireSize(choices: string): void {
  if (choices.length <= limits.text) return;
  throw invalidGrammar(`the choices have ${choices.length} characters together, and may have ${limits.text}`);
}

/** The source of any grammar. Throws `invalid_grammar` where nothing can meet it. */
export function sourceOf(grammar: Grammar): string {
  const { root, rules } = normalize(grammar);
  if ('alt' in root && root.alt.length === 0)
    throw invalidGrammar('nothing can meet it: what begins it never comes to an end');
  return writeGrammar({ root, rules });
}
