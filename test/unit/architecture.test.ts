import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** What each part may import besides itself, from docs/architecture.md: imports point one way. */
const foundation = ['config', 'errors'];
const middle = ['wire', 'model', 'grammar', 'telemetry', ...foundation];
const upper = ['anthropic', 'ollama', 'openai', 'engine', 'mesh', 'sampling', 'process', ...middle];
const allowed: Readonly<Record<string, readonly string[]>> = {
  config: ['errors'],
  errors: [],
  telemetry: foundation,
  process: ['telemetry', ...foundation],
  grammar: foundation,
  wire: middle,
  model: middle,
  openai: ['sampling', ...middle],
  anthropic: ['openai', 'model', 'errors'],
  ollama: ['openai', 'model', 'errors'],
  // It knows no network.
  engine: middle.filter((part) => part !== 'wire'),
  mesh: middle,
  sampling: middle,
  stage: upper,
  gateway: upper,
  scripts: upper,
  // It runs in a browser, and has nothing of the services but their types.
  console: [],
};

/** The commands show what the gateway answers, so they share its types, and nothing that runs. */
const typesOnly: Readonly<Record<string, readonly string[]>> = { scripts: ['gateway'], console: ['gateway'] };

/** The simulations play the services' parts in one process, by their own classes. */
const players: Readonly<Record<string, readonly string[]>> = {
  'scripts/lib/measure/experiment/simulate/': ['gateway', 'stage'],
  'scripts/lib/measure/scale/': ['gateway', 'stage'],
};

/** What each room of the gateway may import of the others. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  routing: [],
  speculation: [],
  text: [],
  telemetry: [],
  keys: [],
  report: ['telemetry'],
  demand: ['report'],
  generation: ['routing', 'speculation', 'telemetry', 'report', 'demand'],
  answer: ['generation', 'telemetry', 'demand', 'keys'],
  responses: ['answer', 'telemetry'],
  watch: ['generation', 'telemetry', 'report'],
  models: ['watch', 'answer', 'generation', 'speculation', 'telemetry', 'report', 'demand', 'text'],
  http: ['models', 'watch', 'answer', 'generation', 'telemetry', 'report', 'text', 'responses', 'keys'],
};

/** Packages with one home: who uses them elsewhere goes round the part that hides them. */
const homes: Readonly<Record<string, readonly string[]>> = {
  '@eslint-community/regexpp': ['services/lib/grammar/'],
  'onnxruntime-node': ['services/lib/engine/'],
  // Between services, and towards KEDA.
  '@grpc/grpc-js': ['services/lib/mesh/', 'services/gateway/demand/external-scaler'],
  '@dapr/dapr': ['services/lib/mesh/'],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function sources(): string[] {
  return ['services', 'scripts'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => join(folder, name)),
  );
}

/** Static and dynamic imports and re-exports; relative ones as paths from the root. */
function importsOf(from: string, text: string): Import[] {
  const pattern =
    /^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]/gm;
  return [...text.matchAll(pattern)].map(([, type, named, dynamic, bare]) => {
    const name = named ?? dynamic ?? bare!;
    const to = name.startsWith('.') ? normalize(join(dirname(from), name)) : name;
    return { from, to, typeOnly: type !== undefined };
  });
}

/** `services/lib/mesh/x.ts` is of `mesh`, `scripts/serve/up.ts` of `scripts`. */
const partOf = (path: string): string => path.replace(/^services\/(lib\/)?/, '').split('/')[0]!;

const isLocal = (path: string): boolean => /^(services|scripts)\//.test(path);

function problem({ from, to, typeOnly }: Import): string | null {
  if (!isLocal(to)) {
    const home = Object.entries(homes).find(([name]) => to === name || to.startsWith(`${name}/`))?.[1];
    return home === undefined || home.some((place) => from.startsWith(place))
      ? null
      : `${from} imports ${to}, which only ${home.join(', ')} may`;
  }
  const [part, target] = [partOf(from), partOf(to)];
  const played = Object.entries(players).flatMap(([folder, parts]) => (from.startsWith(folder) ? parts : []));
  const known = [part, ...(allowed[part] ?? []), ...(typeOnly ? (typesOnly[part] ?? []) : []), ...played];
  return known.includes(target) ? null : `${from} imports ${to}: ${part} may not know ${target}`;
}

const importsOfFile = (path: string): Import[] => importsOf(path, readFileSync(join(root, path), 'utf8'));

const problemsOf = (path: string, text: string): string[] =>
  importsOf(path, text).flatMap((each) => problem(each) ?? []);

/** `services/gateway/http/app.ts` is in `http`; what lies beside the rooms, in none. */
const roomOf = (path: string): string | undefined => /^services\/gateway\/([^/]+)\//.exec(path)?.[1];

function problemOfRooms({ from, to }: Import): string | null {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (room === undefined || target === undefined || room === target) return null;
  return rooms[room]?.includes(target) === true
    ? null
    : `${from} imports ${to}: ${room} may not know ${target}`;
}

/** Walks of imports that come back to where they were. */
function circles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, walk: readonly string[]): void => {
    if (walk.includes(file)) found.push([...walk.slice(walk.indexOf(file)), file]);
    if (walk.includes(file) || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...walk, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

describe('the house', () => {
  const files = sources().filter((path) => !path.includes('/gen/'));
  const MOST_LINES = 300;
  const MOST_FILES = 15;

  it('has no file that is longer than a few pages', () => {
    const lines = (path: string): number => readFileSync(join(root, path), 'utf8').split('\n').length - 1;
    expect(files.filter((path) => lines(path) > MOST_LINES)).toEqual([]);
  });

  it('has no folder with more files of its own than one looks over', () => {
    const folders = new Map<string, number>();
    for (const path of files) folders.set(dirname(path), (folders.get(dirname(path)) ?? 0) + 1);
    expect([...folders].filter(([, count]) => count > MOST_FILES)).toEqual([]);
  });
});

describe('imports point one way', () => {
  const files = sources();

  it('sees the whole code base', () => {
    expect(files).toContain(join('services', 'stage', 'main.ts'));
    expect(files).toContain(join('scripts', 'serve', 'up.ts'));
    const parts = new Set(files.map(partOf));
    expect([...parts].filter((part) => !(part in allowed))).toEqual([]);
  });

  it('holds for every file', () => {
    const imports = files.flatMap(importsOfFile);
    expect(imports.flatMap((each) => problem(each) ?? [])).toEqual([]);
    expect(imports.flatMap((each) => problemOfRooms(each) ?? [])).toEqual([]);
  });

  it('makes no circle of files, of types either', () => {
    const imports = files.map((path) => {
      const sourceOf = (to: string): string =>
        files.find((file) => file === to.replace(/\.js$/, '.tsx')) ?? to.replace(/\.js$/, '.ts');
      const targets = importsOfFile(path).map(({ to }) => sourceOf(to));
      return [path, targets] as const;
    });
    expect(circles(new Map(imports))).toEqual([]);
    const planted = { a: ['b'], b: ['c', 'd'], c: ['b'], d: [] };
    expect(circles(new Map(Object.entries(planted)))).toEqual([['b', 'c', 'b']]);
  });

  it.each([
    ['services/lib/engine/x.ts', "import { a } from '../mesh/y.js';"],
    ['services/lib/errors/x.ts', "export { a } from '../model/y.js';"],
    ['services/lib/mesh/x.ts', "import type { Backend } from '../../gateway/backend.js';"],
    ['services/stage/x.ts', "import { a } from '../gateway/app.js';"],
    ['services/gateway/x.ts', "import * as grpc from '@grpc/grpc-js';"],
    ['services/stage/x.ts', "import {\n  a,\n  b,\n} from 'onnxruntime-node';"],
    ['scripts/x.ts', "const { DaprClient } = await import('@dapr/dapr');"],
    ['services/lib/model/x.ts', "import '../../../scripts/serve/up.js';"],
    ['scripts/x.ts', "import { createApp } from '../services/gateway/app.js';"],
  ])('finds a wrong import planted in %s', (path, text) => {
    expect(problemsOf(path, text)).toHaveLength(1);
  });
});
