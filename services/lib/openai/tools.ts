import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { PlainForm } from '../grammar/source.js';
import type { CallStyle } from '../grammar/tools.js';
import type { Tool } from '../model/text/tool-turns.js';
import type { AskedForm } from './fields/constraints.js';
import { arrayOf, parseBody } from './parse-body.js';

/** As many as OpenAI takes. */
const MAX_TOOLS = 128;
/** OpenAI's letters, and those of names that other protocols give their tools. */
const toolName = z.string().regex(/^[\w.:/-]{1,128}$/, 'expected 1 to 128 of a-z, A-Z, 0-9, _ . : / and -');

const rawTool = z.looseObject({
  type: z.string(),
  function: z
    .looseObject({
      name: toolName,
      description: z.string().nullish(),
      parameters: z.unknown().optional(),
      strict: z.boolean().nullish(),
    })
    .nullish(),
});
const rawChoice = z.union(
  [
    z.enum(['none', 'auto', 'required']),
    z.looseObject({ type: z.string(), function: z.looseObject({ name: z.string() }).nullish() }),
  ],
  { error: 'expected none, auto, required or a function' },
);

/** What the model may call, as it is sent. */
export const toolFields = {
  tools: arrayOf(rawTool, MAX_TOOLS).nullish(),
  tool_choice: rawChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
};
type RawTools = z.infer<z.ZodObject<typeof toolFields>>;

/** What the model may call, or must: `required` any of the tools, or one by its name. */
export interface ToolUse {
  readonly tools: readonly Tool[];
  readonly choice: 'none' | 'auto' | 'required' | { readonly name: string };
  /** Whether an answer may have several calls. */
  readonly parallel: boolean;
  /** Those by name whose arguments have to be of their schema, whatever the choice is. */
  readonly strict: ReadonlySet<string>;
  /** The field that wants calls to be of a form; null: what the model writes will do. */
  readonly boundBy: string | null;
}

/** Null where there are no tools. Throws `invalid_value`, and `unsupported_parameter` for what is no function. */
export function validateTools(raw: RawTools): ToolUse | null {
  const tools = (raw.tools ?? []).map((tool, index) => validateTool(tool, `tools[${index}]`));
  const names = new Set<string>();
  for (const [
    index,
    {
      function: { name },
    },
  ] of tools.entries()) {
    if (names.has(name))
      throw invalid(`tools[${index}].function.name`, `${JSON.stringify(name)} is there twice`);
    names.add(name);
  }
  const choice = validateChoice(raw.tool_choice ?? 'auto');
  if (typeof choice === 'object' && !names.has(choice.name)) {
    throw invalid('tool_choice.function.name', `${JSON.stringify(choice.name)} is none of the tools`);
  }
  if (choice === 'required' && tools.length === 0) throw invalid('tool_choice', 'there are no tools');
  if (tools.length === 0) return null;
  const strict = new Set([...names].filter((_, index) => raw.tools![index]!.function!.strict === true));
  return { tools, choice, parallel: raw.parallel_tool_calls ?? true, strict, boundBy: boundBy(raw, choice) };
}

function boundBy({ tools }: RawTools, choice: ToolUse['choice']): string | null {
  if (choice === 'none') return null;
  if (choice !== 'auto') return 'tool_choice';
  const strict = tools!.findIndex((tool) => tool.function?.strict === true);
  return strict < 0 ? null : `tools[${strict}].function.strict`;
}

/** Tools in OpenAI's form, as a request of another API has been translated to. Throws as above, and names fields as OpenAI does. */
export const readTools = (raw: unknown): ToolUse | null =>
  validateTools(parseBody(z.looseObject(toolFields), raw));

/**
 * What an answer has to be: calls of tools, what `asked` says, or where both may come, either. Null: anything. A tool that
 * the model is free not to call has a schema to keep to only where it is strict. Throws `invalid_value` for a form that cannot be
 * beside calls.
 */
export function formOfAnswer(
  asked: AskedForm | null,
  use: ToolUse | null,
  style: CallStyle,
): AskedForm | null {
  if (use === null || use.choice === 'none') return asked;
  const { choice, parallel, strict, boundBy } = use;
  if (boundBy === null && asked === null) return null;
  const mayTalk = choice === 'auto';
  const otherwise = asked === null ? null : besideCalls(asked);
  const tools = use.tools.map(({ function: { name, parameters } }, index) => ({
    name,
    parameters: mayTalk && !strict.has(name) ? {} : parameters,
    param: `tools[${index}].function.parameters`,
  }));
  return {
    form: {
      kind: 'calls',
      style,
      tools: typeof choice === 'object' ? tools.filter(({ name }) => name === choice.name) : tools,
      choice: mayTalk ? 'auto' : 'required',
      parallel: parallel && typeof choice === 'string',
      otherwise: mayTalk ? otherwise : null,
    },
    param: asked?.param ?? 'tools',
  };
}

function besideCalls({ form, param }: AskedForm): PlainForm {
  if (form.kind !== 'grammar' && form.kind !== 'calls') return form;
  throw invalid(param, 'a grammar says what the whole answer is, and cannot be beside tools');
}

function validateTool({ type, function: called }: z.infer<typeof rawTool>, param: string): Tool {
  if (type !== 'function') throw unsupported(`${param}.type`, type);
  if (!called) throw invalid(`${param}.function`, 'is missing');
  const { name, description, parameters } = called;
  if (parameters !== undefined && parameters !== null && !isObject(parameters)) {
    throw invalid(`${param}.function.parameters`, 'expected a JSON schema of an object');
  }
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' && { description }),
      parameters: isObject(parameters) ? parameters : { type: 'object', properties: {} },
    },
  };
}

function validateChoice(raw: z.infer<typeof rawChoice>): ToolUse['choice'] {
  if (typeof raw === 'string') return raw;
  if (raw.type !== 'function') throw unsupported('tool_choice.type', raw.type);
  if (!raw.function) throw invalid('tool_choice.function', 'is missing');
  return { name: raw.function.name };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (param: string, problem: string): ServingError =>
  new ServingError('invalid_value', `${param}: ${problem}`, { param });

const unsupported = (param: string, type: string): ServingError =>
  new ServingError(
    'unsupported_parameter',
    `${param}: ${JSON.stringify(type)} is not supported, only function`,
    {
      param,
    },
  );
