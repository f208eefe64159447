import { parseGbnf } from './gbnf.js';
import { alt, Rules, text, writeGrammar, type Grammar } from './ir.js';
import { invalidGrammar } from './limits.js';
import { normalize } from './normalize.js';
import { regexNode } from './regex.js';
import { anyRecord, schemaNode } from './schema/schema-node.js';

/** What a request may ask of a whole answer. */
export type Form =
  | { readonly kind: 'json_object' }
  | { readonly kind: 'json_schema'; readonly schema: unknown }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'grammar'; readonly grammar: string };

/**
 * The source of a constraint, as `compileConstraint` takes it. Takes milliseconds, and of hostile forms up to some hundred:
 * not for an event loop. Throws `invalid_grammar`, and `unsupported_schema` with a JSON Pointer.
 */
export function sourceOfForm(form: Form): string {
  const rules = new Rules();
  switch (form.kind) {
    case 'json_object':
      return sourceOf(rules.grammar(anyRecord(rules)));
    case 'json_schema':
      return sourceOf(rules.grammar(schemaNode(rules, form.schema)));
    case 'regex':
      return sourceOf(rules.grammar(regexNode(form.pattern, { search: false })));
    case 'choice':
      return sourceOf(rules.grammar(alt(...form.choices.map(text))));
    case 'grammar':
      return sourceOf(parseGbnf(form.grammar));
  }
}

/** The source of any grammar. Throws `invalid_grammar` where nothing can meet it. */
export function sourceOf(grammar: Grammar): string {
  const { root, rules } = normalize(grammar);
  if ('alt' in root && root.alt.length === 0)
    throw invalidGrammar('nothing can meet it: what begins it never comes to an end');
  return writeGrammar({ root, rules });
}
