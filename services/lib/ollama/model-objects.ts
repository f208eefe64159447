import type { ServedModel } from '../openai/served-model.js';

/** `GET /api/tags`: each model under each of its names. How much room it takes is each stage's own affair. */
export function tags(models: readonly ServedModel[]): object {
  return {
    models: models.flatMap((model) =>
      [model.id, ...model.aliases].map((name) => ({
        name,
        model: name,
        modified_at: modifiedAt(model),
        size: 0,
        digest: model.checkpoint.digest,
        details: details(model),
      })),
    ),
  };
}

/** `POST /api/show`. */
export function show(model: ServedModel): object {
  const { architecture, layers, hidden, parameters } = model.checkpoint;
  const of = (key: string): string => `${architecture}.${key}`;
  return {
    modelfile: '',
    parameters: Object.entries(model.sampling)
      .map(([name, value]) => `${name === 'repetition_penalty' ? 'repeat_penalty' : name} ${value}`)
      .join('\n'),
    template: '',
    details: details(model),
    model_info: {
      'general.architecture': architecture,
      'general.basename': model.id,
      'general.parameter_count': parameters,
      [of('context_length')]: model.contextLength,
      [of('embedding_length')]: hidden,
      [of('block_count')]: layers,
      [of('vocab_size')]: model.vocabulary,
    },
    capabilities: ['completion', 'tools'],
    modified_at: modifiedAt(model),
  };
}

const modifiedAt = ({ created }: ServedModel): string => new Date(created * 1000).toISOString();

const details = ({ checkpoint, contextLength, split }: ServedModel): object => {
  const { architecture, parameters, precision } = checkpoint;
  return {
    parent_model: '',
    format: 'layermesh',
    family: architecture,
    families: [architecture],
    parameter_size: sizeText(parameters),
    quantization_level: precision.toUpperCase(),
    context_length: contextLength,
    split,
  };
};

/** Such as `134.5M`. */
function sizeText(parameters: number): string {
  const [divisor, unit] = parameters >= 1e9 ? [1e9, 'B'] : [1e6, 'M'];
  return `${(parameters / divisor).toFixed(1)}${unit}`;
}
