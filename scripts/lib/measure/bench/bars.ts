import { figure, plural, table } from '../../cli/tables.js';
import {
  injectionEffect,
  throughputOf,
  timeToFirstToken,
  type InjectionEffect,
} from '../figures/requests.js';
import { spread, spreadText, type Spread } from '../figures/statistics.js';
import type { Arm, Trial } from '../types.js';
import { ratioOf, type Ratio } from './summarize.js';

/** A figure that the project has promised, and the bound that it must keep. */
interface Bar {
  readonly name: string;
  readonly bound: { readonly atLeast: number } | { readonly atMost: number };
  /** Of the arm that is held to it, against others where it takes them; null where they were not measured. */
  measure(trials: readonly Trial[], arm: string, peers: readonly string[]): Measured | null;
  /** Held to it besides `dapr`. */
  readonly plainToo: boolean;
  /** `figure` where it does not say. */
  readonly show?: (value: number) => string;
}

interface Measured {
  readonly value: Spread;
  /** What it was measured against, where that is a matter of the result. */
  readonly against?: string;
}

const ARM = 'dapr';
/** Without speculation, as the peers are: what is left of the figures when no text repeats itself. */
const PLAIN_ARM = 'dapr-plain';

const bars: readonly Bar[] = [
  throughputBar(1, 1),
  throughputBar(4, 1.25),
  throughputBar(16, 1.25),
  ratioBar('output tokens/s against llama-server, 16 clients', 'closed-16', 2.5, 'llama-server'),
  throughputBar(32, 1.25),
  {
    name: 'TTFT p50 against the fastest peer, 16 clients',
    bound: { atMost: 1 },
    plainToo: true,
    measure: (trials, arm, peers) => againstFastest(trials, 'closed-16', arm, peers, ({ ttft }) => ttft),
  },
  taxBar('split tax, 16 clients', 'direct', 'unsplit', 0.15),
  taxBar('mesh tax, 16 clients', 'dapr', 'direct', 0.1),
  injectionBar('ITL p99 of 8 clients while a long prompt comes, against their p50', 3, (effect) => {
    return effect.disturbedP99 / effect.runningP50;
  }),
  injectionBar('TTFT of the long prompt beside 8 clients, against alone', 2, (effect) => {
    return effect.injectedTtft / effect.aloneTtft;
  }),
  {
    name: 'TTFT of a second request with a shared prefix, against the first',
    bound: { atMost: 0.25 },
    plainToo: false,
    measure: (trials, arm) =>
      measured(of(trials, 'shared-prefix', arm).flatMap(({ records }) => secondToFirst(records))),
  },
  ratioBar('"rewrite this text" with speculation against without, 1 client', 'rewrite-1', 1.5, PLAIN_ARM),
  {
    name: 'growth: least ratio of tokens/s to that of fewer clients, 1 to 32',
    bound: { atLeast: 1 },
    plainToo: true,
    measure: growth,
  },
];

/**
 * Every bar with what was measured, and whether it is met: what was not measured is not met. The arm without
 * speculation is held to them where it is among the arms.
 */
export function barsReport(trials: readonly Trial[], arms: readonly Pick<Arm, 'name' | 'peer'>[]): string {
  const peers = arms.filter(({ peer }) => peer).map(({ name }) => name);
  const hasPlain = arms.some(({ name }) => name === PLAIN_ARM);
  const rows = bars.flatMap((bar) =>
    [ARM, ...(bar.plainToo && hasPlain ? [PLAIN_ARM] : [])].map((arm) => {
      const result = bar.measure(trials, arm, peers);
      return [bar.name, boundText(bar), arm, valueText(bar, result), isMet(bar, result) ? 'yes' : '**no**'];
    }),
  );
  return `### Bars\n\n${table(['bar', 'bound', 'arm', 'measured, median (min–max)', 'met'], rows)}`;
}

const boundText = ({ bound, show = figure }: Bar): string =>
  'atLeast' in bound ? `≥ ${show(bound.atLeast)}` : `≤ ${show(bound.atMost)}`;

function valueText({ show }: Bar, result: Measured | null): string {
  if (result === null) return 'not measured';
  return spreadText(result.value, show) + (result.against === undefined ? '' : `, ${result.against}`);
}

function isMet({ bound }: Bar, result: Measured | null): boolean {
  if (result === null) return false;
  const { median } = result.value;
  return 'atLeast' in bound ? median >= bound.atLeast : median <= bound.atMost;
}

function throughputBar(clients: number, atLeast: number): Bar {
  return {
    name: `output tokens/s against the fastest peer, ${plural(clients, 'client')}`,
    bound: { atLeast },
    plainToo: true,
    measure: (trials, arm, peers) =>
      againstFastest(trials, `closed-${clients}`, arm, peers, ({ output }) => output),
  };
}

function ratioBar(name: string, load: string, atLeast: number, base: string): Bar {
  return {
    name,
    bound: { atLeast },
    plainToo: base !== PLAIN_ARM,
    measure: (trials, arm) => toMeasured(ratioOf(of(trials, load, arm), of(trials, load, base)).output),
  };
}

/** What an arm loses against a simpler one: 1 - ratio of tokens/s. */
function taxBar(name: string, arm: string, base: string, atMost: number): Bar {
  return {
    name,
    bound: { atMost },
    plainToo: false,
    show: (value) => `${(value * 100).toFixed(1)} %`,
    measure: (trials) => {
      const { output } = ratioOf(of(trials, 'closed-16', arm), of(trials, 'closed-16', base));
      return output && { value: { min: 1 - output.max, median: 1 - output.median, max: 1 - output.min } };
    },
  };
}

function injectionBar(name: string, atMost: number, ratio: (effect: InjectionEffect) => number): Bar {
  return {
    name,
    bound: { atMost },
    plainToo: true,
    measure: (trials, arm) => {
      const effects = of(trials, 'long-prompt-8', arm).flatMap(
        ({ records }) => injectionEffect(records) ?? [],
      );
      return measured(effects.map(ratio));
    },
  };
}

/** Against the peer with the most tokens a second under that load. */
function againstFastest(
  trials: readonly Trial[],
  load: string,
  arm: string,
  peers: readonly string[],
  figureOf: (ratio: Ratio) => Spread | null,
): Measured | null {
  const median = (peer: string): number => spread(of(trials, load, peer).map(throughputOf))?.median ?? 0;
  const [fastest] = [...peers].sort((one, other) => median(other) - median(one));
  if (fastest === undefined) return null;
  const value = figureOf(ratioOf(of(trials, load, arm), of(trials, load, fastest)));
  return value && { value, against: fastest };
}

/** The least ratio between one number of clients and the next higher, each by its median over the rounds. */
function growth(trials: readonly Trial[], arm: string): Measured | null {
  const clientsOf = (load: string): number => Number(load.slice('closed-'.length));
  const closed = trials.filter((trial) => trial.arm === arm && trial.load.startsWith('closed-'));
  const rates = [...new Set(closed.map(({ load }) => load))]
    .sort((one, other) => clientsOf(one) - clientsOf(other))
    .map((load) => spread(of(closed, load, arm).map(throughputOf))!.median);
  const ratios = rates.slice(1).map((rate, index) => rate / rates[index]!);
  return measured(ratios.length === 0 ? [] : [Math.min(...ratios)]);
}

/** Of each pair, in the order of sending. */
function secondToFirst(records: Trial['records']): number[] {
  const times = (kind: string): number[] =>
    records.filter((record) => record.kind === kind).map((record) => timeToFirstToken(record) ?? Infinity);
  const first = times('first');
  return times('second').map((second, index) => second / first[index]!);
}

const of = (trials: readonly Trial[], load: string, arm: string): Trial[] =>
  trials.filter((trial) => trial.load === load && trial.arm === arm);

const toMeasured = (value: Spread | null): Measured | null => value && { value };

const measured = (values: readonly number[]): Measured | null => toMeasured(spread(values));
