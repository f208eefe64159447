/**
 * How a model writes that it calls a tool. In every style a call is a JSON object of the tool's name and its
 * arguments; what stands around it is what the model was trained on.
 */
export interface ToolStyle {
  readonly name: 'hermes' | 'llama3' | 'mistral' | 'plain';
  /** Stands before a call, or a list of them. */
  readonly begin: string;
  /** Stands behind it; empty where nothing does. */
  readonly end: string;
  /** How a call names what the tool is given. */
  readonly arguments: 'arguments' | 'parameters';
  /** An answer that begins with a call of a known tool is one without `begin`, too. */
  readonly bare: boolean;
  /** Those of its texts that are control tokens in some vocabularies, and have to be seen all the same. */
  readonly marks: readonly string[];
}

const hermes: ToolStyle = {
  name: 'hermes',
  begin: '<tool_call>',
  end: '</tool_call>',
  arguments: 'arguments',
  bare: false,
  marks: ['<tool_call>', '</tool_call>'],
};

/** `{"name": …, "parameters": {…}}`, one after another with semicolons between them. */
const llama3: ToolStyle = {
  name: 'llama3',
  begin: '<|python_tag|>',
  end: '',
  arguments: 'parameters',
  bare: true,
  marks: ['<|python_tag|>'],
};

/** `[TOOL_CALLS] [{…}, {…}]`, and of newer models `[TOOL_CALLS]name[ARGS]{…}` for each. */
const mistral: ToolStyle = {
  name: 'mistral',
  begin: '[TOOL_CALLS]',
  end: '',
  arguments: 'arguments',
  bare: false,
  marks: ['[TOOL_CALLS]', '[CALL_ID]', '[ARGS]'],
};

/** Of templates that know no tools, which are told of in words: small models forget half of these. */
export const plain: ToolStyle = { ...hermes, name: 'plain', bare: true };

/** Told by what a chat template puts around the calls of earlier turns, or tells the model to write. */
export function toolStyleOf(template: string): ToolStyle {
  if (!/\btools\b/.test(template)) return plain;
  if (template.includes(hermes.begin)) return hermes;
  if (template.includes(mistral.begin)) return mistral;
  return template.includes(llama3.begin) || template.includes('Environment: ipython') ? llama3 : plain;
}
