/**
 * How a model writes that it calls a tool. In every style a call is a JSON object of the tool's name and its
 * arguments; what stands around it is what the model was trained on.
 */
export interface ToolStyle {
  readonly name: 'hermes' | 'llama3' | 'mistral' | 'plain';
  /**
   * `tagged`: each call stands between `begin` and `end`; `listed`: all stand in one list behind `begin`; `headed`: of each
   * the name stands before the arguments, behind `begin`; `bare`: they stand alone, with semicolons between them.
   */
  readonly layout: 'tagged' | 'listed' | 'headed' | 'bare';
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
  layout: 'tagged',
  begin: '<tool_call>',
  end: '</tool_call>',
  arguments: 'arguments',
  bare: false,
  marks: ['<tool_call>', '</tool_call>'],
};

/** `{"name": …, "parameters": {…}}; {…}`. */
const llama3: ToolStyle = {
  name: 'llama3',
  layout: 'bare',
  begin: '<|python_tag|>',
  end: '',
  arguments: 'parameters',
  bare: true,
  marks: ['<|python_tag|>'],
};

const ARGUMENTS_MARK = '[ARGS]';

/** `[TOOL_CALLS] [{…}, {…}]`. */
const mistral: ToolStyle = {
  name: 'mistral',
  layout: 'listed',
  begin: '[TOOL_CALLS]',
  end: '',
  arguments: 'arguments',
  bare: false,
  marks: ['[TOOL_CALLS]', '[CALL_ID]', ARGUMENTS_MARK],
};

/** Of newer models: `[TOOL_CALLS]name[ARGS]{…}` for each call. */
const headedMistral: ToolStyle = { ...mistral, layout: 'headed' };

/** Of templates that know no tools, which are told of in words: small models forget half of these. */
export const plain: ToolStyle = { ...hermes, name: 'plain', bare: true };

/** All marks of calls: to a grammar that tells of calls they are text, whatever they are to the vocabulary. */
export const CALL_MARKS: ReadonlySet<string> = new Set(
  [hermes, llama3, mistral].flatMap(({ marks }) => marks),
);

/** Told by what a chat template puts around the calls of earlier turns, or tells the model to write. */
export function toolStyleOf(template: string): ToolStyle {
  if (!/\btools\b/.test(template)) return plain;
  if (template.includes(hermes.begin)) return hermes;
  if (template.includes(mistral.begin)) return template.includes(ARGUMENTS_MARK) ? headedMistral : mistral;
  return template.includes(llama3.begin) || template.includes('Environment: ipython') ? llama3 : plain;
}
