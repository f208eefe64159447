import { figure, NONE, percent, table } from '../../cli/tables.js';
import { percentile, ratio, spread, spreadText, sum } from '../figures/statistics.js';
import { machineText, type Machine } from '../page.js';
import type { Sample } from './pair.js';
import type { Route } from './peer.js';

/** What is sent at once: a decode step's rows, or a whole prompt's. */
export interface Load {
  readonly title: string;
  readonly rows: number;
  readonly prompt: boolean;
}

/** A route of one of the checkouts. */
export interface Arm {
  readonly name: string;
  readonly route: Route;
  /** Whether it is of the checkout that this one is measured against. */
  readonly before: boolean;
}

export interface Trial extends Sample {
  readonly arm: string;
  readonly load: string;
  readonly round: number;
}

export interface HopsRun {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly rounds: number;
  /** f16 values of a row. */
  readonly hidden: number;
  /** Of each checkout. */
  readonly versions: readonly string[];
  /** Mean number of processors that others kept busy; null where that is not known. */
  readonly otherLoad: number | null;
  readonly loads: readonly Load[];
  readonly arms: readonly Arm[];
  readonly trials: readonly Trial[];
}

/** What is in the way of publishing: others may use a tenth of a processor. */
const QUIET = 0.1;

export const isQuiet = ({ otherLoad }: HopsRun): boolean => otherLoad !== null && otherLoad <= QUIET;

/** Everything about a run, as Markdown. */
export function hopsReport(run: HopsRun): string {
  const { machine, date, rounds, versions, command, hidden, otherLoad } = run;
  const header = [
    `- Machine: ${machineText(machine)}`,
    `- Date: ${date.slice(0, 10)}; ${rounds} rounds; ${versions.join('; before it ')}`,
    `- Rows of ${hidden} f16 values (${hidden * 2} bytes); others used ${percent(otherLoad)} of a processor`,
    `- Command: \`${command}\``,
  ];
  return [header.join('\n'), hopsTable(run), ratioTable(run)].filter((part) => part !== '').join('\n\n');
}

function hopsTable({ loads, arms, trials }: HopsRun): string {
  const head = ['at once', 'arm', 'hops', 'p50 ms', 'p99 ms', 'CPU s per GB: services', 'sidecars'];
  const rows = loads.flatMap((load) =>
    arms.map((arm) => {
      const of = trialsOf(trials, load, arm);
      const hops = of.flatMap((trial) => trial.hops);
      const perGigabyte = (field: 'services' | 'sidecars'): number =>
        (sum(of.map((trial) => trial[field])) / sum(of.map(({ bytes }) => bytes))) * 1e9;
      return [
        load.title,
        arm.name,
        String(hops.length),
        figure(percentile(hops, 50)),
        figure(percentile(hops, 99)),
        figure(perGigabyte('services')),
        arm.route === 'direct' ? NONE : figure(perGigabyte('sidecars')),
      ];
    }),
  );
  return table(head, rows);
}

/** Within rounds, so that what else the machine did meets both sides; empty where there is nothing to compare. */
function ratioTable({ loads, arms, trials, rounds }: HopsRun): string {
  const pairs = arms.flatMap((arm) =>
    arms.filter((base) => isBase(base, arm)).map((base): readonly [Arm, Arm] => [arm, base]),
  );
  if (pairs.length === 0) return '';
  const rows = loads.flatMap((load) =>
    pairs.map(([arm, base]) => {
      const medians = (of: Arm): (number | null)[] =>
        Array.from({ length: rounds }, (_, round) =>
          percentile(trialsOf(trials, load, of).find((trial) => trial.round === round)?.hops ?? [], 50),
        );
      const [own, others] = [medians(arm), medians(base)];
      const ratios = own.flatMap((value, round) => ratio(value, others[round]!) ?? []);
      return [load.title, `${arm.name} / ${base.name}`, spreadText(spread(ratios))];
    }),
  );
  return table(['at once', 'p50 of', 'median (min–max) of the rounds'], rows);
}

/** The same route before, and the direct one of the same checkout. */
const isBase = (base: Arm, arm: Arm): boolean =>
  base.before === arm.before
    ? base.route === 'direct' && arm.route === 'dapr'
    : base.before && base.route === arm.route;

const trialsOf = (trials: readonly Trial[], load: Load, arm: Arm): Trial[] =>
  trials.filter((trial) => trial.load === load.title && trial.arm === arm.name);
