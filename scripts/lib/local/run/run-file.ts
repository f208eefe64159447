import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { GATEWAY, stageId } from '../../../../services/lib/config/app-id.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { repositoryRoot } from '../../repository.js';

/** An app of the local system, with what the file says of all apps already merged in. Paths are absolute. */
export type AppEntry = Readonly<ReturnType<typeof toEntry>>;

export interface RunFile {
  readonly gateway: AppEntry;
  /** `stage-0`, `stage-1`, … in order. */
  readonly stages: readonly AppEntry[];
}

const shared = z.object({
  configFilePath: z.string().optional(),
  resourcesPaths: z.array(z.string()).optional(),
  appProtocol: z.string().optional(),
  maxBodySize: z.string().optional(),
  logLevel: z.string().optional(),
  env: z.record(z.string(), z.coerce.string()).default({}),
});

const app = shared.extend({
  appID: z.string(),
  appDirPath: z.string(),
  appPort: z.number().int().optional(),
  command: z.array(z.string()).min(1),
});

const file = z.object({ version: z.literal(1), common: shared, apps: z.array(app).min(2) });

/** Dapr's multi-app run file of the local system. */
export const runFilePath = join(repositoryRoot, 'dapr', 'dapr.yaml');

export async function readRunFile(path = runFilePath): Promise<RunFile> {
  return parseRunFile(await readFile(path, 'utf8'), join(path, '..'));
}

/** Throws `invalid_config` for what is not a run file with a gateway and stages numbered from 0. */
export function parseRunFile(text: string, directory: string): RunFile {
  const parsed = file.safeParse(parse(text));
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  const { common, apps } = parsed.data;
  const entries = apps.map((each) => toEntry(each, common, directory));
  const gateway = entries.find(({ appId }) => appId === GATEWAY);
  const stages = entries.filter((entry) => entry !== gateway);
  if (gateway === undefined) throw invalid('no app has the appID gateway');
  if (!stages.every(({ appId }, index) => appId === stageId('', index))) {
    throw invalid('the apps beside the gateway are not stage-0, stage-1, … in order');
  }
  return { gateway, stages };
}

/** The app entries of `count` stages of a mesh: those of the file, and copies of its last one for more. */
export function entriesOfStages(stages: readonly AppEntry[], count: number, meshName = ''): AppEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const entry = stages[Math.min(index, stages.length - 1)]!;
    return { ...entry, appId: stageId(meshName, index) };
  });
}

function toEntry(entry: z.infer<typeof app>, common: z.infer<typeof shared>, directory: string) {
  const merged = { ...common, ...entry };
  if (merged.configFilePath === undefined) throw invalid(`${entry.appID} has no configFilePath`);
  return {
    appId: entry.appID,
    directory: resolve(directory, entry.appDirPath),
    command: entry.command,
    env: { ...common.env, ...entry.env },
    configPath: resolve(directory, merged.configFilePath),
    resourcesPaths: (merged.resourcesPaths ?? []).map((path) => resolve(directory, path)),
    appProtocol: merged.appProtocol ?? 'http',
    maxBodySize: merged.maxBodySize ?? '4Mi',
    logLevel: merged.logLevel ?? 'info',
    /** Whether the sidecar calls the app. */
    serves: entry.appPort !== undefined,
  };
}

const invalid = (problem: string): ServingError =>
  new ServingError('invalid_config', `dapr/dapr.yaml: ${problem}`);
