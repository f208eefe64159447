import { ServingError } from '../../errors/serving-error.js';

type Fields = Readonly<Record<string, unknown>>;

/** For a field that is not supported, the values that ask for nothing; the whole request is at hand to tell. */
export type RefusedFields = Readonly<Record<string, (value: unknown, request: Fields) => boolean>>;

const is =
  (...harmless: readonly unknown[]) =>
  (value: unknown): boolean =>
    harmless.includes(value);
const isEmpty = (value: unknown): boolean =>
  value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
const never = (): boolean => false;

/** What leaves words out of the answer, or binds it to a form in a way that only one server has. */
const forms: RefusedFields = {
  allowed_token_ids: never,
  bad_words: isEmpty,
  logits_processors: isEmpty,
  custom_logit_processor: isEmpty,
  // text-generation-webui, KoboldCpp, TabbyAPI
  grammar_string: isEmpty,
  json_schema_string: isEmpty,
  regex_pattern: isEmpty,
  banned_strings: isEmpty,
  banned_tokens: isEmpty,
  custom_token_bans: isEmpty,
};

/** What makes another prompt, or another model, of the same request. */
const prompts: RefusedFields = {
  prompt_embeds: isEmpty,
  input_embeds: isEmpty,
  // Ollama
  system: isEmpty,
  template: isEmpty,
  raw: is(false),
  images: isEmpty,
  options: isEmpty,
  // Pictures and sounds of SGLang and llama.cpp
  image_data: isEmpty,
  audio_data: isEmpty,
  video_data: isEmpty,
  multimodal_data: isEmpty,
  // Adapters of SGLang, TGI and llama.cpp
  lora_path: isEmpty,
  adapter_id: isEmpty,
  lora: isEmpty,
  // Guidance by a second prompt
  negative_prompt: isEmpty,
  guidance_scale: is(1),
  cfg_scale: is(1),
};

/** Fields that would silently change the meaning of an answer if they were ignored as unknown ones are. */
const refusedEverywhere: RefusedFields = {
  ...forms,
  ...prompts,
  // llama.cpp's and SGLang's names for log probabilities and what else an answer may hold
  n_probs: is(0),
  return_logprob: is(false),
  return_hidden_states: is(false),
  use_beam_search: is(false),
  stop_regex: isEmpty,
  no_stop_trim: is(false),
};

export const refusedInChat: RefusedFields = {
  ...refusedEverywhere,
  functions: isEmpty,
  function_call: is('none', 'auto'),
  modalities: (value) => Array.isArray(value) && value.every((modality) => modality === 'text'),
  audio: never,
  prediction: never,
  web_search_options: never,
  documents: isEmpty,
  add_special_tokens: is(false),
  echo: is(false),
};

export const refusedInCompletions: RefusedFields = {
  ...refusedEverywhere,
  suffix: is(''),
  best_of: (value, { n }) => value === (n ?? 1),
  add_special_tokens: is(true),
};

/** Throws `unsupported_parameter` for the first field that asks for something; null asks for nothing. */
export function refuseFields(raw: Fields, refused: RefusedFields): void {
  for (const [field, isHarmless] of Object.entries(refused)) {
    const value = Object.hasOwn(raw, field) ? (raw[field] ?? null) : null;
    if (value === null || isHarmless(value, raw)) continue;
    throw new ServingError('unsupported_parameter', `${field} is not supported`, { param: field });
  }
}
