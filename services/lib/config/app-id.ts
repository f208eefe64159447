/** App-id of every gateway. */
export const GATEWAY = 'gateway';

/**
 * App-id of a stage: `stage-1` in the mesh of a gateway's first model, which has no name, and `qwen-stage-1` in that of a
 * further one which is called `qwen`.
 */
export const stageId = (meshName: string, index: number): string =>
  `${meshName === '' ? '' : `${meshName}-`}stage-${index}`;

/** App-ids of so many stages, stage 0 first. */
export const stageIds = (meshName: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => stageId(meshName, index));

/** What may stand before `stage-1`: an app-id is a name in DNS, of at most 63 characters. */
export const MESH_NAME = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
const STAGE_ID = /^(?:(?<meshName>[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?)-)?stage-(?<index>\d{1,9})$/;

/** What ends the variables of a gateway that are about the model of that mesh: `LAYERMESH_SPLIT__QWEN`; nothing of the first. */
export const endingOf = (meshName: string): string =>
  meshName === '' ? '' : `__${meshName.toUpperCase().replaceAll('-', '_')}`;

/** Which stage of which mesh it is; null for what is no stage's. */
export function parseStageId(appId: string): { readonly meshName: string; readonly index: number } | null {
  const { meshName = '', index } = STAGE_ID.exec(appId)?.groups ?? {};
  return index === undefined ? null : { meshName, index: Number(index) };
}
