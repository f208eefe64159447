import { ServingError } from '../errors/serving-error.js';

/** For a field that is not supported, the values that ask for nothing. */
export type RefusedFields = Readonly<Record<string, (value: unknown) => boolean>>;

const is =
  (...harmless: readonly unknown[]) =>
  (value: unknown): boolean =>
    harmless.includes(value);
const isEmptyArray = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const never = (): boolean => false;

/** Fields that would silently change the meaning of an answer if they were ignored as unknown ones are. */
const refusedEverywhere: RefusedFields = {
  logprobs: is(false),
  prompt_logprobs: never,
  response_format: (value) => (value as { type?: unknown }).type === 'text',
  use_beam_search: is(false),
  allowed_token_ids: never,
  bad_words: isEmptyArray,
  logits_processors: isEmptyArray,
  structured_outputs: never,
  guided_json: never,
  guided_regex: never,
  guided_choice: never,
  guided_grammar: never,
  truncate_prompt_tokens: never,
  skip_special_tokens: is(true),
};

export const refusedInChat: RefusedFields = {
  ...refusedEverywhere,
  top_logprobs: is(0),
  tools: isEmptyArray,
  tool_choice: is('none', 'auto'),
  functions: isEmptyArray,
  function_call: is('none', 'auto'),
  modalities: (value) => JSON.stringify(value) === '["text"]',
  audio: never,
  prediction: never,
  web_search_options: never,
  chat_template: never,
  chat_template_kwargs: never,
  add_generation_prompt: is(true),
  add_special_tokens: is(false),
  continue_final_message: is(false),
  echo: is(false),
};

export const refusedInCompletions: RefusedFields = {
  ...refusedEverywhere,
  echo: is(false),
  suffix: is(''),
  best_of: is(1),
  prompt_embeds: never,
  add_special_tokens: is(true),
};

/** Throws `unsupported_parameter` for the first field that asks for something; null asks for nothing. */
export function refuseFields(raw: Readonly<Record<string, unknown>>, refused: RefusedFields): void {
  for (const [field, isHarmless] of Object.entries(refused)) {
    const value = raw[field] ?? null;
    if (value === null || isHarmless(value)) continue;
    throw new ServingError('unsupported_parameter', `${field} is not supported`, { param: field });
  }
}
