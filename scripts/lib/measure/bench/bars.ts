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

type Bound = { readonly atLeast: number } | { readonly atMost: number };
/** `dapr` guesses tokens, and is compared with peers of which each does as it can; `dapr-plain` with those that do not. */
type HeldArm = 'dapr' | 'dapr-plain';
type Peer = Pick<Arm, 'name' | 'speculates'>;

/** A figure that the project has promised, and the bounds that arms must keep. */
interface Bar {
  readonly name: string;
  readonly bounds: Readonly<Partial<Record<HeldArm, Bound>>>;
  /** Of the arm that is held to it, against others where it takes them; null where they were not measured. */
  measure(trials: readonly Trial[], arm: string, peers: readonly Peer[]): Measured | null;
  /** `figure` where it does not say. */
  readonly show?: (value: number) => string;
}

interface Measured {
  readonly value: Spread;
  /** What it was measured against, where that is a matter of the result. */
  readonly against?: string;
}

const PLAIN_ARM = 'dapr-plain';
const both = (bound: Bound): Bar['bounds'] => ({ dapr: bound, [PLAIN_ARM]: bound });

const bars: readonly Bar[] = [
  throughputBar(1, { dapr: 1.25, plain: 0.85 }),
  throughputBar(4, { dapr: 1.25, plain: 0.85 }),
  throughputBar(16, { dapr: 1.25, plain: 1 }),
  throughputBar(32, { dapr: 1.25, plain: 1 }),
  ttftBar(1),
  ttftBar(16),
  cpuBar(16, 'openvino-genai', 1.1),
  taxBar('split', 16, 'direct', 'unsplit', 0.15),
  taxBar('mesh', 1, 'dapr', 'direct', 0.08),
  taxBar('mesh', 16, 'dapr', 'direct', 0.08),
  taxBar('mesh', 32, 'dapr', 'direct', 0.08),
  injectionBar('ITL p99 of 8 clients while a long prompt comes, against their p50', 3, (effect) => {
    return effect.disturbedP99 / effect.runningP50;
  }),
  injectionBar('TTFT of the long prompt beside 8 clients, against alone', 2, (effect) => {
    return effect.injectedTtft / effect.aloneTtft;
  }),
  {
    name: 'TTFT of a second request with a shared prefix, against the first',
    bounds: { dapr: { atMost: 0.25 } },
    measure: (trials, arm) =>
      measured(of(trials, 'shared-prefix', arm).flatMap(({ records }) => secondToFirst(records))),
  },
  {
    name: '"rewrite this text" with speculation against without, 1 client',
    bounds: { dapr: { atLeast: 1.5 } },
    measure: (trials, arm) =>
      toMeasured(ratioOf(of(trials, 'rewrite-1', arm), of(trials, 'rewrite-1', PLAIN_ARM)).output),
  },
  {
    name: 'growth: least ratio of tokens/s to that of fewer clients, 1 to 32',
    bounds: both({ atLeast: 1 }),
    measure: growth,
  },
];

/**
 * Every bar with what was measured, and whether it is met: what was not measured is not met. The arm without
 * speculation is held to them where it is among the arms.
 */
export function barsReport(
  trials: readonly Trial[],
  arms: readonly Pick<Arm, 'name' | 'peer' | 'speculates'>[],
): string {
  const peers = arms.filter(({ peer }) => peer);
  const hasPlain = arms.some(({ name }) => name === PLAIN_ARM);
  const rows = bars.flatMap((bar) =>
    Object.entries(bar.bounds)
      .filter(([arm]) => arm !== PLAIN_ARM || hasPlain)
      .map(([arm, bound]) => {
        const like = arm === PLAIN_ARM ? peers.filter(({ speculates }) => speculates !== true) : peers;
        const result = bar.measure(trials, arm, like);
        const met = isMet(bound, result) ? 'yes' : '**no**';
        return [bar.name, boundText(bar, bound), arm, valueText(bar, result), met];
      }),
  );
  return `### Bars\n\n${table(['bar', 'bound', 'arm', 'measured, median (min–max)', 'met'], rows)}`;
}

const boundText = ({ show = figure }: Bar, bound: Bound): string =>
  'atLeast' in bound ? `≥ ${show(bound.atLeast)}` : `≤ ${show(bound.atMost)}`;

function valueText({ show }: Bar, result: Measured | null): string {
  if (result === null) return 'not measured';
  return spreadText(result.value, show) + (result.against === undefined ? '' : `, ${result.against}`);
}

function isMet(bound: Bound, result: Measured | null): boolean {
  if (result === null) return false;
  const { median } = result.value;
  return 'atLeast' in bound ? median >= bound.atLeast : median <= bound.atMost;
}

function throughputBar(clients: number, atLeast: { readonly dapr: number; readonly plain: number }): Bar {
  return {
    name: `output tokens/s against the fastest peer, ${plural(clients, 'client')}`,
    bounds: { dapr: { atLeast: atLeast.dapr }, [PLAIN_ARM]: { atLeast: atLeast.plain } },
    measure: (trials, arm, peers) =>
      againstFastest(trials, `closed-${clients}`, arm, peers, ({ output }) => output),
  };
}

function ttftBar(clients: number): Bar {
  return {
    name: `TTFT p50 against the fastest peer, ${plural(clients, 'client')}`,
    bounds: both({ atMost: 1 }),
    measure: (trials, arm, peers) =>
      againstFastest(trials, `closed-${clients}`, arm, peers, ({ ttft }) => ttft),
  };
}

function cpuBar(clients: number, peer: string, atMost: number): Bar {
  const load = `closed-${clients}`;
  return {
    name: `CPU seconds per 1k tokens against ${peer}, ${plural(clients, 'client')}`,
    bounds: both({ atMost }),
    measure: (trials, arm) => toMeasured(ratioOf(of(trials, load, arm), of(trials, load, peer)).cpu),
  };
}

/** What an arm loses against a simpler one: 1 - ratio of tokens/s. */
function taxBar(what: string, clients: number, arm: string, base: string, atMost: number): Bar {
  const load = `closed-${clients}`;
  return {
    name: `${what} tax, ${plural(clients, 'client')}`,
    bounds: { dapr: { atMost } },
    show: (value) => `${(value * 100).toFixed(1)} %`,
    measure: (trials) => {
      const { output } = ratioOf(of(trials, load, arm), of(trials, load, base));
      return output && { value: { min: 1 - output.max, median: 1 - output.median, max: 1 - output.min } };
    },
  };
}

function injectionBar(name: string, atMost: number, ratio: (effect: InjectionEffect) => number): Bar {
  return {
    name,
    bounds: both({ atMost }),
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
  peers: readonly Peer[],
  figureOf: (ratio: Ratio) => Spread | null,
): Measured | null {
  const median = (peer: string): number => spread(of(trials, load, peer).map(throughputOf))?.median ?? 0;
  const [fastest] = peers.map(({ name }) => name).sort((one, other) => median(other) - median(one));
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
