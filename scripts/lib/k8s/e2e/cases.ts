import { InvalidArgumentError, Option } from 'commander';
import type { DeployedMesh } from '../deployed-mesh.js';
import { dryRunProduction } from './dry-run.js';
import { firstAnswer } from './first-answer.js';
import { kills } from './kills.js';
import { saturation } from './saturation.js';
import { scaleDowns } from './scale-downs.js';

/** What is tried, on a mesh of such options of `npm run k8s:render`, or without one. Returns what it has seen. */
type Case =
  | {
      readonly mesh: readonly string[];
      readonly run: (mesh: DeployedMesh, signal: AbortSignal) => Promise<string[]>;
    }
  | { readonly mesh: null; readonly run: (signal: AbortSignal) => Promise<string[]> };

// Limits that leave room on two processors, and reserve little, so that more replicas find a place.
const SMALL = ['--memory', '640Mi', '--cpu-request', '50m', '--env', 'LAYERMESH_KV_TOKENS=8192'].concat([
  '--env',
  'LAYERMESH_PREFIX_CACHE_MB=32',
]);
const EVEN = ['--split', '10,20', '--cpu', '500m', '--autoscaler', 'none', ...SMALL];
/** Most layers and the fewest processors are in the middle. */
const UNEVEN = ['--split', '4,26', '--cpu', '700m', '--cpu', 'stage-1=300m', ...SMALL].concat([
  '--max-replicas',
  '2',
  '--scale-down-after',
  '10',
]);
const SCALE_DOWNS = 20;

export const CASES = {
  answer: { mesh: EVEN, run: firstAnswer },
  production: { mesh: null, run: dryRunProduction },
  kills: { mesh: EVEN, run: kills },
  'scale-downs': { mesh: EVEN, run: (mesh) => scaleDowns(mesh, SCALE_DOWNS) },
  saturation: { mesh: UNEVEN, run: saturation },
} as const satisfies Record<string, Case>;

export type CaseName = keyof typeof CASES;

const names = Object.keys(CASES) as CaseName[];

export const caseOf = (name: CaseName): Case => CASES[name];

export const casesOption = (): Option =>
  new Option('--cases <names>', `of ${names.join(', ')}; or all`)
    .argParser(parseCases)
    .default(['answer', 'production'] satisfies CaseName[]);

function parseCases(text: string): CaseName[] {
  if (text === 'all') return names;
  const wanted = text.split(',');
  const found = names.filter((name) => wanted.includes(name));
  if (found.length !== wanted.length) throw new InvalidArgumentError(`It must be of ${names.join(', ')}.`);
  return found;
}
