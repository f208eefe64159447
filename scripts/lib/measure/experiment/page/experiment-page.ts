import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { figure, table } from '../../../cli/tables.js';
import { writeWhole } from '../../../repository.js';
import { machineText, withSection, type Machine } from '../../page.js';
import { decodeMs, prefillMs, tensorParallel, TENSOR_PARALLEL_SOURCE } from '../references.js';
import type { Outcome, ScenarioResults } from '../scenario.js';
import { mapSection } from './map-section.js';
import type { MapCell } from '../simulate/map.js';
import { scenarioSection } from './scenario-section.js';
import { paragraphs, type PageSection } from './section.js';

export interface ExperimentResults {
  /** With all that has been run, in whatever scenario, for it says which of its places were; null where it is left as it is. */
  readonly map: { readonly cells: readonly MapCell[]; readonly outcomes: readonly Outcome[] } | null;
  /** What has been run of them; of one that has not been, the page keeps what it says. */
  readonly scenarios: readonly ScenarioResults[];
  readonly machine: Machine;
  /** ISO, of the first run. */
  readonly date: string;
  readonly command: string;
}

/** What is written here of `experiment.md`; the rest of the page is by hand. */
interface WrittenSection extends PageSection {
  readonly title: string;
  readonly rank: 2 | 3;
  /** Of its figures' names, and of no others'. */
  readonly prefix: string;
}

const SCENARIOS_HEADING = '## The scenarios';

/** Puts what has been found into `experiment.md` of a folder, each scenario for itself, and the figures beside it. */
export function writeExperimentPage(results: ExperimentResults, docs: string): void {
  const folder = join(docs, 'experiment');
  mkdirSync(folder, { recursive: true });
  const path = join(docs, 'experiment.md');
  let page = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const { title, rank, prefix, text, figures } of pageSections(results)) {
    for (const file of readdirSync(folder))
      if (file.startsWith(`${prefix}-`) && file.endsWith('.svg')) rmSync(join(folder, file));
    for (const [name, { svg }] of figures) writeWhole(join(folder, `${name}.svg`), svg);
    if (rank === 3 && !page.includes(`${SCENARIOS_HEADING}\n`)) page = `${page}\n${SCENARIOS_HEADING}\n`;
    page = withSection(page, title, text, rank);
  }
  writeWhole(path, page);
}

/** In the order of the page. */
export function pageSections(results: ExperimentResults): WrittenSection[] {
  const { map, scenarios } = results;
  const run = scenarios.filter(({ outcomes, voids }) => outcomes.length + voids.length > 0);
  return [
    ...(map === null
      ? []
      : [{ title: 'The map', rank: 2, prefix: 'map', ...mapSection(map.cells, map.outcomes) } as const]),
    ...run.map((scenario): WrittenSection => {
      const { name, title } = scenario.scenario;
      const { text, figures } = scenarioSection(scenario);
      return {
        title: `${name.toUpperCase()}: ${title}`,
        rank: 3,
        prefix: name,
        text: paragraphs(text, runsText(scenario, results)),
        figures,
      };
    }),
    {
      title: 'Tensor parallelism: published, not run',
      rank: 3,
      prefix: 'tensor',
      text: tensorParallelText(),
      figures: new Map(),
    },
  ];
}

/** Where its runs were made, and how. */
function runsText({ outcomes, voids }: ScenarioResults, results: ExperimentResults): string {
  const { machine, date, command } = results;
  const trials = outcomes.map(({ measured }) => measured);
  const records = trials.flatMap((trial) => trial.records);
  const failed = records.filter(({ error }) => error !== null).length;
  return [
    `- Machine: ${machineText(machine)}`,
    `- Runs on: ${[...new Set(trials.map(({ site }) => site))].join('; ')}`,
    `- Date: ${date.slice(0, 10)}`,
    `- Runs: ${trials.length} that count, ${voids.length} void; ${records.length} requests, ${failed} failed`,
    `- Command: \`${command}\``,
  ].join('\n');
}

/** Of sequences in a decode step, and of tokens that each has cached. */
const STEP = { sequences: 16, cached: 1_200 };
const PROMPTS = [512, 1_200, 2_400];

function tensorParallelText(): string {
  const rows = tensorParallel.map((curve) => [
    String(curve.devices),
    ...PROMPTS.map((tokens) => figure(prefillMs(curve, tokens))),
    figure(decodeMs(curve, STEP.sequences, STEP.sequences * STEP.cached)),
  ]);
  const head = ['devices', ...PROMPTS.map((tokens) => `prompt of ${tokens}, ms`)];
  const { name, url } = TENSOR_PARALLEL_SOURCE;
  return paragraphs(
    'Where the devices are in one machine with NVLink, an engineer would consider to spread every layer over them, ' +
      'which pools their memory as a split does and makes each step shorter, where a split makes it longer:',
    table([...head, `decode step of ${STEP.sequences} × ${STEP.cached}, ms`], rows),
    `Source: [${name}](${url}).`,
  );
}
