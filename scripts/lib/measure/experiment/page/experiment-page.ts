import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { figure, table } from '../../../cli/tables.js';
import { writeWhole } from '../../../repository.js';
import { machineText, withSection, type Machine } from '../../page.js';
import { decodeMs, prefillMs, tensorParallel, TENSOR_PARALLEL_SOURCE } from '../references.js';
import type { ScenarioResults } from '../scenario.js';
import { mapSection } from './map-section.js';
import type { MapCell } from '../simulate/map.js';
import { scenarioSection } from './scenario-section.js';
import { paragraphs, type PageSection } from './section.js';

export interface ExperimentResults {
  readonly map: readonly MapCell[];
  readonly scenarios: readonly ScenarioResults[];
  readonly machine: Machine;
  /** ISO, of the first run. */
  readonly date: string;
  readonly command: string;
}

/** The sections of `experiment.md` that are written here; the rest of the page is by hand. */
const MAP_SECTION = 'The map';
const SCENARIOS_SECTION = 'The scenarios';

/** Puts the map and the scenarios into `experiment.md` of a folder, and their figures beside it. */
export function writeExperimentPage(results: ExperimentResults, docs: string): void {
  const sections = pageSections(results);
  const folder = join(docs, 'experiment');
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(folder)) if (file.endsWith('.svg')) rmSync(join(folder, file));
  const path = join(docs, 'experiment.md');
  let page = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const [title, { text, figures }] of sections) {
    for (const [name, { svg }] of figures) writeWhole(join(folder, `${name}.svg`), svg);
    page = withSection(page, title, text);
  }
  writeWhole(path, page);
}

/** By their titles. */
export function pageSections(results: ExperimentResults): Map<string, PageSection> {
  const { map, scenarios } = results;
  const outcomes = scenarios.flatMap((scenario) => scenario.outcomes);
  const sections = scenarios.map(scenarioSection);
  const text = paragraphs(
    header(results),
    ...sections.map((section) => section.text),
    '### Tensor parallelism: published, not run',
    tensorParallelText(),
  );
  const figures = new Map(sections.flatMap((section) => [...section.figures]));
  return new Map([
    [MAP_SECTION, mapSection(map, outcomes)],
    [SCENARIOS_SECTION, { text, figures }],
  ]);
}

function header({ scenarios, machine, date, command }: ExperimentResults): string {
  const trials = scenarios.flatMap(({ outcomes }) => outcomes.map(({ measured }) => measured));
  const voids = scenarios.reduce((sum, each) => sum + each.voids.length, 0);
  const failed = trials.reduce(
    (sum, { records }) => sum + records.filter(({ error }) => error !== null).length,
    0,
  );
  const requests = trials.reduce((sum, { records }) => sum + records.length, 0);
  return [
    `- Machine: ${machineText(machine)}`,
    `- Runs on: ${[...new Set(trials.map(({ site }) => site))].join('; ')}`,
    `- Date: ${date.slice(0, 10)}`,
    `- Runs: ${trials.length} that count, ${voids} void; ${requests} requests, ${failed} failed`,
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
