import { ServingError } from '../errors/serving-error.js';
import type { SamplingDefaults } from '../model/sampling-defaults.js';

/** What a model is made of. */
interface CheckpointFacts {
  /** SHA-256 in hexadecimal digits, of all that it is made of. */
  readonly digest: string;
  readonly architecture: string;
  readonly layers: number;
  readonly hidden: number;
  /** Weights, all told. */
  readonly parameters: number;
  /** Of the weights as they are served. */
  readonly precision: string;
}

/** What requests are checked against. */
export interface ServedModel {
  readonly id: string;
  /** Where it only takes time: `timed (…)`. */
  readonly engine?: string | null;
  readonly aliases: readonly string[];
  /** Unix time, seconds. */
  readonly created: number;
  /** Longest prompt and output together, tokens. */
  readonly contextLength: number;
  /** Token ids lie below it. */
  readonly vocabulary: number;
  readonly eosIds: readonly number[];
  readonly checkpoint: CheckpointFacts;
  /** Boundaries between its stages. */
  readonly split: readonly number[];
  /** Whether a request may bring a chat template. */
  readonly takesTemplates?: boolean;
  /** How tokens are sampled where a request does not say. */
  readonly sampling: Readonly<Record<keyof SamplingDefaults, number>>;
}

/** What a checkpoint says of sampling, and for the rest OpenAI's defaults. */
export const samplingOver = (stated: SamplingDefaults): ServedModel['sampling'] => ({
  temperature: stated.temperature ?? 1,
  top_p: stated.top_p ?? 1,
  top_k: stated.top_k ?? 0,
  min_p: stated.min_p ?? 0,
  repetition_penalty: stated.repetition_penalty ?? 1,
});

/** Throws `unsupported_parameter` for a field that needs the logits of a model, where its engine only takes time. */
export function requireLogits({ engine = null }: ServedModel, param: string): void {
  if (engine === null) return;
  const problem = `${param} is not supported: the model's engine, ${engine}, computes no probabilities`;
  throw new ServingError('unsupported_parameter', problem, { param });
}

/** `GET /v1/models/{id}`. */
export function modelObject(model: ServedModel, id: string): object {
  return {
    id,
    object: 'model',
    created: model.created,
    owned_by: 'layermesh',
    root: model.id,
    max_model_len: model.contextLength,
    precision: model.checkpoint.precision,
    split: model.split,
    default_sampling_params: model.sampling,
    ...(typeof model.engine === 'string' && { engine: model.engine }),
  };
}

/** `GET /v1/models`: each model under each of its names. */
export function modelList(models: readonly ServedModel[]): object {
  const data = models.flatMap((model) => [model.id, ...model.aliases].map((id) => modelObject(model, id)));
  return { object: 'list', data };
}
