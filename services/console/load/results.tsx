import { useEffect, useRef, useState } from 'preact/hooks';
import { Notice, Trouble } from '../parts/parts.js';
import { call } from '../state/api.js';
import { usePolled } from '../state/polled.js';
import { Drawn } from './drawn.js';
import { joined, readMeasured, type Measured } from './measured.js';

const MAX_BYTES = 64 << 20;
const EVERY_MS = 30_000;

interface Kept {
  readonly name: string;
  readonly bytes: number;
}

/** Something that has a name and, when it is asked for, a text. */
interface Source {
  readonly name: string;
  readonly size: number;
  text(): Promise<string>;
}

const fromGateway = ({ name, bytes }: Kept): Source => ({
  name,
  size: bytes,
  text: async () =>
    (await call(`results/${name.split('/').map(encodeURIComponent).join('/')}`, { right: 'operate' })).text(),
});

/** What the measuring commands have written: beside this gateway, or in a file of this machine, which is sent nowhere. */
export function Results() {
  const { value, error } = usePolled<{ results: readonly Kept[] }>('results', EVERY_MS);
  const [chosen, setChosen] = useState('');
  const [opened, setOpened] = useState<Measured | null>(null);
  const [problem, setProblem] = useState('');
  const turns = useRef(0);
  const kept = value?.results.filter(({ name }) => !name.endsWith('/plan.json')) ?? [];
  const map = kept.find(({ name }) => name.endsWith('/map.json'));

  const open = async (title: string, sources: readonly Source[]): Promise<void> => {
    // What was chosen before may come later.
    const turn = ++turns.current;
    setChosen(title);
    setProblem('');
    try {
      const measured = await read(title, sources);
      if (turn === turns.current) setOpened(measured);
    } catch (reason) {
      if (turn !== turns.current) return;
      setOpened(null);
      setProblem((reason as Error).message);
    }
  };
  const choose = (name: string): void => {
    const ofIt = kept.filter((one) => one.name === name || folderOf(one.name) === name);
    if (ofIt.length > 0) void open(name, ofIt.map(fromGateway));
  };
  // The map is what one comes for.
  useEffect(() => {
    if (map !== undefined && chosen === '') choose(map.name);
  }, [map?.name]);

  return (
    <section aria-labelledby="results">
      <h3 id="results">Results of measurements</h3>
      {error !== null && <Trouble what="Results" error={error} />}
      {value !== null && <p class="hint">{wordsOf(kept, map !== undefined)}</p>}
      <div class="choices">
        {kept.length > 0 && (
          <select
            aria-label="Results beside this gateway"
            value={chosen}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            <option value="">Beside this gateway …</option>
            {foldersOf(kept).map(([folder, files]) => (
              <optgroup key={folder} label={folder}>
                {files.length > 1 && (
                  <option value={folder}>
                    all {files.length} of {folder}
                  </option>
                )}
                {files.map(({ name }) => (
                  <option value={name}>{name.slice(folder.length + 1)}</option>
                ))}
              </optgroup>
            ))}
          </select>
        )}
        <label class="button">
          Open a file
          <input
            type="file"
            accept=".json,application/json"
            class="unseen"
            onChange={({ currentTarget: { files } }) => {
              const [file] = files ?? [];
              if (file !== undefined) void open(file.name, [file]);
            }}
          />
        </label>
      </div>
      {problem !== '' && (
        <Notice title={`${chosen} cannot be drawn`} tone="bad">
          {problem}
        </Notice>
      )}
      {opened !== null && <Drawn measured={opened} />}
    </section>
  );
}

const folderOf = (name: string): string => name.slice(0, name.indexOf('/'));

function foldersOf(kept: readonly Kept[]): [string, Kept[]][] {
  const folders = new Map<string, Kept[]>();
  for (const one of kept) folders.set(folderOf(one.name), [...(folders.get(folderOf(one.name)) ?? []), one]);
  return [...folders];
}

function wordsOf(kept: readonly Kept[], hasMap: boolean): string {
  const file =
    'A file of npm run bench -- --json, of an experiment, or a trace as Jaeger has it can be opened; it stays here.';
  if (kept.length === 0)
    return `None lie beside this gateway, whose LAYERMESH_RESULTS names their folders. ${file}`;
  return hasMap
    ? file
    : `No map of when a split pays lies beside this gateway: npm run experiment makes one. ${file}`;
}

/** Throws in words what is wrong. */
async function read(title: string, sources: readonly Source[]): Promise<Measured> {
  if (sources.reduce((sum, { size }) => sum + size, 0) > MAX_BYTES)
    throw new Error('It is larger than 64 MiB.');
  const all: Measured[] = [];
  for (const source of sources) all.push(readMeasured(await source.text()));
  return joined(all, title);
}
