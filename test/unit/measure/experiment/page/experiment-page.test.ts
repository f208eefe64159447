import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  pageSections,
  writeExperimentPage,
  type ExperimentResults,
} from '../../../../../scripts/lib/measure/experiment/page/experiment-page.js';
import { scenarioSection } from '../../../../../scripts/lib/measure/experiment/page/scenario-section.js';
import { risesAt } from '../../../../../scripts/lib/measure/experiment/page/scaling-section.js';
import type { Outcome, ScenarioResults } from '../../../../../scripts/lib/measure/experiment/scenario.js';
import { temporaryFolder } from '../../../../support/temporary-folder.js';
import { lifeOf, podOf, scaleOf, seenAt } from '../seen.js';
import { armWith, loadOf, outcomeOf, splitCells } from './results.js';

const folder = temporaryFolder();

const whole = armWith({ name: 'whole', stages: 1, count: 2 });
const split = armWith({ name: 'split', stages: 2, count: 2 });

const results = (outcomes: readonly Outcome[], voids: ScenarioResults['voids'] = []): ScenarioResults => ({
  scenario: {
    name: 's1',
    title: 'Memory',
    question: 'What does memory do?',
    runs: [
      { arm: whole, loads: [loadOf()] },
      { arm: split, loads: [loadOf()], kills: [{ stage: 'stage-1', at: 5 }] },
    ],
    expectations: [
      { id: 's1-a', text: 'split | whole', judge: () => ({ right: false, seen: '× 1.30' }) },
      { id: 's1-b', text: 'nothing', judge: () => ({ right: null, seen: '' }) },
    ],
  },
  outcomes,
  voids,
});

describe('the section of a scenario', () => {
  const outcomes = [1, 2, 3].flatMap((seed) => [
    outcomeOf(whole, [2, 1.2, 2][seed - 1]!, seed),
    outcomeOf(split, 2.6, seed),
  ]);
  const voids = [1, 2].map((seed) => ({ arm: split, load: loadOf(seed), reason: 'too busy' }));
  const { text, figures } = scenarioSection(results(outcomes, voids));
  const row = (start: string): string[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`| ${start} `))
      .at(-1)!
      .split(/ *\| */)
      .slice(1, -1);

  it('says what was expected and what came, so that wrong ones are found', () => {
    expect(row('s1-a')).toEqual([
      's1-a',
      'split \\',
      'whole',
      '**wrong**',
      '× 1.30',
      '**wrong**, **wrong**, **wrong**',
    ]);
    expect(row('s1-b')[2]).toBe('open');
    expect(text).toContain('stage-1 at 5 s');
    expect(text).toContain('2 × l40s');
  });

  it('has the knee of the seeds, and what it is by device', () => {
    const [, levels, seeds, measured, , simulated, ratio, tokens, light, full, failed] = row('whole');
    expect([levels, seeds, measured, simulated, ratio]).toEqual([
      '0.500, 1.00, 1.20, 2.00, 2.60, 4.00',
      '3',
      '2.00 (1.20–2.00)',
      '2.00 (1.20–2.00)',
      '1.00',
    ]);
    // Two requests a second of a hundred tokens, by two devices.
    expect(tokens).toBe('100');
    expect(light).toBe('500 / 100');
    expect(full).toBe('5000 / 100');
    expect(failed).toBe('0 of 180');
  });

  it('lists what is void by reason, and draws every figure that it shows', () => {
    expect(text).toContain('- 2 × split: too busy');
    const shownFigures = [...text.matchAll(/\]\(experiment\/(.*?)\.svg\)/g)].map(([, name]) => name);
    expect(shownFigures).toEqual([...figures.keys()]);
    expect(shownFigures).toEqual(['s1-1200']);
    for (const { svg } of figures.values()) expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('shows levels as they are where they are no sweep', () => {
    const few = outcomes.map((outcome) => ({
      ...outcome,
      load: { ...outcome.load, group: 'few', levels: outcome.load.levels.slice(0, 2) },
    }));
    const { text: other, figures: none } = scenarioSection(results(few));
    expect(other.replace(/ +/g, ' ')).toContain(
      '| whole | at-1, 1.00 | 100 % | 500 / 100 | 500 / 100 | 500 / 100 | 0 of 30 |',
    );
    expect(none.size).toBe(0);
  });

  it('says nothing of scaling where nothing scales', () => {
    expect(text).not.toMatch(/per dollar|HPA/);
  });
});

describe('arms that scale', () => {
  const scaled = armWith({ name: 'scaled', stages: 1, count: 2, min: 1 });
  const base = outcomeOf(scaled, 2);
  const metrics = (value: number) => [{ name: 'demand', value, target: 0.7 }];
  const seen = (second: number, value: number, desired: number, steps: number) =>
    seenAt(second, {
      scales: [scaleOf({ desired, ready: steps > 0 ? 2 : 1, metrics: metrics(value) })],
      pods: [podOf({ name: 'new', counters: { decodeSteps: steps } })],
    });
  const outcome: Outcome = {
    ...base,
    measured: {
      ...base.measured,
      observations: [
        seen(0, 0.1, 1, 0),
        seen(12, 0.1, 1, 0),
        seen(14, 0.9, 1, 0),
        seen(18, 0.9, 2, 0),
        seen(30, 0.9, 2, 4),
        seen(60, 0.9, 2, 9),
      ],
      lives: [
        lifeOf({ name: 'old', created: 0 }),
        lifeOf({ name: 'new', created: 18_000, scheduled: 18_000, ready: 25_000 }),
      ].map((life) => ({ ...life, device: 'l40s' })),
    },
  };
  const { text, figures } = scenarioSection(results([outcome]));

  it('show each part of the reaction, counted from when the load rose', () => {
    expect(risesAt(loadOf().levels)).toBe(10);
    expect(risesAt(loadOf().levels.slice(0, 1))).toBeNull();
    // Seen at 14, decided at 18, ready at 25, serving at 30: the load rose at 10.
    expect(text.replace(/ +/g, ' ')).toContain(
      '| 1200 | scaled | stage-0 | 4.00 (4.00–4.00) | 4.00 (4.00–4.00) | 7.00 (7.00–7.00) | 5.00 (5.00–5.00) | 20.0 (20.0–20.0) |',
    );
  });

  it('show what was paid, and their replicas over time', () => {
    // Over with the last token, at 64.1 s. One of the first five at the knee is late, and all above it.
    expect(text.replace(/ +/g, ' ')).toMatch(/\| 1200 \| scaled \| 25\.0 .*\| 110 \(110–110\) \|/);
    expect(text).toContain('Prices: Modal');
    expect([...figures.keys()]).toContain('s1-1200-replicas-scaled');
  });
});

describe('the whole page', () => {
  const outcomes = [outcomeOf(whole, 2), outcomeOf(split, 2.6)];
  const whatWasFound: ExperimentResults = {
    map: { cells: splitCells('l40s', 1, [[5, 1.2]]), outcomes },
    scenarios: [results(outcomes)],
    machine: { cpu: 'a CPU', cores: 2, flags: [], memoryGib: 4, system: 'linux', node: 'v20' },
    date: '2026-11-29T08:00:00Z',
    command: 'npm run experiment',
  };
  const old =
    '# The experiment\n\nHead.\n\n## The map\n\nold\n\n## Method\n\nkept\n\n## The scenarios\n\nkept\n\n' +
    '### S1: Memory\n\nold\n\n### S2: Cards\n\nkept\n\n### Tensor parallelism: published, not run\n\nold\n\n## CPUs\n\nkept\n';
  const write = (found: ExperimentResults, before = old): string => {
    const path = join(folder.path, 'experiment.md');
    rmSync(join(folder.path, 'experiment'), { recursive: true, force: true });
    mkdirSync(join(folder.path, 'experiment', 'cpu'), { recursive: true });
    for (const file of ['s1-old.svg', 's2-kept.svg', 'map-old.svg', 'cpu/kept.svg'])
      writeFileSync(join(folder.path, 'experiment', file), '');
    writeFileSync(path, before);
    writeExperimentPage(found, folder.path);
    return readFileSync(path, 'utf8');
  };
  const figures = (): string[] => readdirSync(join(folder.path, 'experiment')).sort();

  it('replaces what was found and nothing else', () => {
    const page = write(whatWasFound);
    expect(page).toMatch(
      /^# The experiment\n\nHead\.\n\n## The map\n[^]*\n## Method\n\nkept\n\n## The scenarios\n\nkept\n\n### S1: M[^]*\n### S2: Cards\n\nkept\n\n### Tens[^]*\n## CPUs\n\nkept\n$/,
    );
    expect(page).not.toMatch(/\nold\n/);
    expect(figures()).toEqual(['cpu', 'map-llama-2-13b.svg', 's1-1200.svg', 's2-kept.svg']);
    expect(write(whatWasFound, page)).toBe(page);
  });

  it('leaves the map, and a scenario of which nothing was run', () => {
    const page = write({ ...whatWasFound, map: null, scenarios: [results([])] });
    expect(page.match(/\nold\n/g)).toHaveLength(2);
    expect(figures()).toEqual(['cpu', 'map-old.svg', 's1-old.svg', 's2-kept.svg']);
  });

  it('begins with nothing', () => {
    expect(write(whatWasFound, '').match(/^##+ .*$/gm)).toEqual([
      '## The map',
      '### Where the map was run',
      '### Prices',
      '## The scenarios',
      '### S1: Memory',
      '### Tensor parallelism: published, not run',
    ]);
  });

  it('names machine, site, date, command and what is published only', () => {
    const { text } = pageSections(whatWasFound).find(({ prefix }) => prefix === 's1')!;
    for (const part of ['a CPU', 'a cluster', '2026-11-29', '`npm run experiment`'])
      expect(text).toContain(part);
    expect(text).toContain('2 that count, 0 void; 120 requests, 0 failed');
  });
});
