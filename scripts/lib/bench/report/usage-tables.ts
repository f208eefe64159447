import { total } from '../measure/counters.js';
import { phaseMeans, type Phase, type StageCounters } from '../measure/stage-counters.js';
import { sum } from '../measure/statistics.js';
import { durationOf, outputTokensOf, type Trial } from '../trial.js';
import { figure, percent, table } from './table.js';

const MEBIBYTE = 1 << 20;

/** What each layer service did, from its own metrics: means over the measured time. Null where there are none. */
export function stageTable(byArm: ReadonlyMap<string, readonly Trial[]>): string | null {
  const rows = [...byArm].flatMap(([arm, trials]) => {
    const seconds = sum(trials.map(durationOf));
    return namesOf(trials, ({ usage }) => usage.stages).map((name) => {
      const counters = trials
        .flatMap(({ usage }) => usage.stages.filter((stage) => stage.name === name))
        .map((stage) => stage.counters)
        .reduce(total);
      const { hops, hopSeconds, bytesOut, busySeconds } = counters;
      return [
        arm,
        name,
        percent(busySeconds / seconds),
        phaseText(counters, 'prefill'),
        phaseText(counters, 'decode'),
        figure(hops === 0 ? null : (hopSeconds / hops) * 1000),
        figure(bytesOut / 1000 / sum(trials.map(outputTokensOf))),
      ];
    });
  });
  const phase = 'steps × sequences, step ms, queue ms';
  const head = ['arm', 'stage', 'busy', `prefill: ${phase}`, `decode: ${phase}`, 'hop ms', 'kB out a token'];
  return rows.length === 0 ? null : table(head, rows);
}

function phaseText(counters: StageCounters, phase: Phase): string {
  const means = phaseMeans(counters, phase);
  if (means === null) return '–';
  const { steps, sequences, stepMs, queueMs } = means;
  return `${steps} × ${figure(sequences)}, ${figure(stepMs)}, ${figure(queueMs)}`;
}

/** CPU and memory of every process that serves. Null where none is known. */
export function processTable(byArm: ReadonlyMap<string, readonly Trial[]>): string | null {
  const rows = [...byArm].flatMap(([arm, trials]) => {
    const seconds = sum(trials.map(durationOf));
    const thousands = sum(trials.map(outputTokensOf)) / 1000;
    return namesOf(trials, ({ usage }) => usage.processes).map((name) => {
      const used = trials.flatMap(({ usage }) => usage.processes.filter((each) => each.name === name));
      return [
        arm,
        name,
        figure(sum(used.map(({ cpuSeconds }) => cpuSeconds)) / thousands),
        percent(sum(used.map(({ cpuSeconds }) => cpuSeconds)) / seconds),
        percent(sum(used.map(({ mainThreadSeconds }) => mainThreadSeconds)) / seconds),
        figure(Math.max(...used.map(({ rssBytes }) => rssBytes)) / MEBIBYTE),
      ];
    });
  });
  const head = ['arm', 'process', 'CPU s per 1k', 'CPU', 'of it main thread', 'RSS MiB'];
  return rows.length === 0 ? null : table(head, rows);
}

function namesOf(trials: readonly Trial[], of: (trial: Trial) => readonly { name: string }[]): string[] {
  return [...new Set(trials.flatMap((trial) => of(trial).map(({ name }) => name)))].sort();
}
