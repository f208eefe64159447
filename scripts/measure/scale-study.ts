import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { runStep } from '../bootstrap/step.mjs';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { callerPath, listOf, meshOption, wholeNumber } from '../lib/cli/options.js';
import { planSystem } from '../lib/local/plan-system.js';
import { commandLine, describeMachine, ownVersion, writeResults } from '../lib/measure/page.js';
import type { Size } from '../lib/measure/scale/measure-status.js';
import { resultsOf, type ScaleFigures } from '../lib/measure/scale/page.js';
import { simulate, type SimulatedSize } from '../lib/measure/scale/simulate.js';
import { measureSystem } from '../lib/measure/scale/system-figures.js';
import { repositoryRoot, writeWhole } from '../lib/repository.js';

interface Options {
  readonly sizes: readonly Size[];
  readonly simulate: readonly number[];
  readonly label: string;
  readonly mesh: 'dapr' | 'direct';
  readonly json: string;
  readonly docs?: true;
}

const PAGE = join(repositoryRoot, 'docs', 'scale.md');

/** A stage of a model that no machine of this size could hold, and that computes nothing beside what is measured. */
const ENGINE = { engine: 'timed', device: 'a100-40g', shape: 'llama-2-13b', start: 'none' } as const;

/** Assumed: of the size that SQLite behind a sidecar of the same machine has. */
const STORE = { roundTripMs: 3, readMs: 0.1, writeMs: 0.5, perKbMs: 0.005 };

async function study({ sizes, simulate: replicas, label, json, docs, mesh }: Options): Promise<void> {
  const signal = stopSignal();
  const about = {
    date: new Date().toISOString(),
    version: ownVersion(),
    command: commandLine('scale-study'),
  };
  const known = { ...about, machine: describeMachine(), label };
  let figures = readFigures(json);
  const keep = (more: Partial<ScaleFigures>): void => {
    figures = { ...figures, ...more };
    mkdirSync(dirname(json), { recursive: true });
    writeWhole(json, `${JSON.stringify(figures, null, 1)}\n`);
  };
  for (const size of sizes) {
    const plan = await planSystem({ ...ENGINE, mesh, stages: size.stages }, signal);
    const name = `${size.stages} stages of ${size.replicas}`;
    const measured = await runStep(name, () => measureSystem(plan, size, signal));
    keep({ systems: [...figures.systems, { ...known, figures: measured }] });
  }
  const { simulations } = figures;
  const simulated: SimulatedSize[] = [];
  for (const each of replicas) {
    simulated.push(await runStep(`${each} replicas, simulated`, () => simulate(each, STORE)));
    keep({ simulations: [...simulations, { ...known, store: STORE, sizes: simulated }] });
  }
  const results = resultsOf(figures);
  console.log(results);
  if (docs) writeResults(results, PAGE);
}

const readFigures = (path: string): ScaleFigures =>
  existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as ScaleFigures)
    : { systems: [], simulations: [] };

function parseSize(text: string): Size {
  const [, stages, replicas] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  if (replicas === undefined || Number(stages) === 0 || Number(replicas) === 0)
    throw new InvalidArgumentError('Sizes are stages x replicas of each, such as 40x1,4x10.');
  return { stages: Number(stages), replicas: Number(replicas) };
}

await runCommand(
  new Command('scale-study')
    .description(
      'Measures what a mesh of many stages and replicas takes: whole systems on this machine while they do nothing, and ' +
        'larger ones by simulation, with the own classes of the services.',
    )
    .option(
      '--sizes <list>',
      'of systems to start, stages x replicas of each, such as 40x1,4x10',
      listOf(parseSize),
      [],
    )
    .option('--simulate <list>', 'so many replicas of each stage', listOf(wholeNumber(1, 10_000)), [])
    .option('--label <words>', 'what this run is about, in the tables', 'as it is')
    .addOption(meshOption())
    .option(
      '--json <file>',
      'to which what was measured is added',
      callerPath,
      join(PAGE, '..', 'scale', 'figures.json'),
    )
    .option('--docs', 'write the results into docs/scale.md')
    .action(study),
);
