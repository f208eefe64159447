import { endingOf, parseStageId } from '../../../services/lib/config/app-id.js';

/** A model, as its stages and the gateway are told of it. */
export interface SystemModel {
  /** The variables that say which model is served, by which engine. */
  readonly served: Readonly<Record<string, string>>;
  /** In the API; empty takes the model's own. */
  readonly modelName: string;
  /** Boundaries between the stages; empty for one stage. */
  readonly split: readonly number[];
}

/** One in a mesh that has a name: what its stages are called before `-stage-0`. */
export interface FurtherModel extends SystemModel {
  readonly meshName: string;
}

export interface SystemModels extends SystemModel {
  /** Those that the same gateway serves besides. */
  readonly furtherModels?: readonly FurtherModel[];
}

/** The first has no name in the mesh. */
export const modelsOf = (models: SystemModels): readonly FurtherModel[] => [
  { ...models, meshName: '' },
  ...(models.furtherModels ?? []),
];

/** The model of a stage; for the gateway the first. */
export function modelOf(models: SystemModels, appId: string): FurtherModel {
  const meshName = parseStageId(appId)?.meshName ?? '';
  return modelsOf(models).find((model) => model.meshName === meshName)!;
}

/** What a stage of a model is told of it, and the gateway where it is the first. */
export const stageVariables = ({ served, split }: SystemModel): Record<string, string> => ({
  ...served,
  LAYERMESH_SPLIT: split.join(','),
});

/** What the gateway alone is told, of all of them. */
export function gatewayVariables(models: SystemModels): Record<string, string> {
  const { modelName, furtherModels = [] } = models;
  const further = furtherModels.flatMap((model) =>
    Object.entries({ ...stageVariables(model), LAYERMESH_MODEL_NAME: model.modelName }).map(
      ([name, value]): [string, string] => [name + endingOf(model.meshName), value],
    ),
  );
  return {
    LAYERMESH_MODEL_NAME: modelName,
    ...(further.length > 0 && { LAYERMESH_MODELS: furtherModels.map(({ meshName }) => meshName).join(',') }),
    ...Object.fromEntries(further),
  };
}
