import type { Spread } from '../../bench/measure/statistics.js';
import { figure, spreadText, table } from '../../bench/report/table.js';
import { coldStarts } from '../measure/cold-start.js';
import type { Trial } from '../types.js';

const MEBIBYTE = 2 ** 20;

/** What a new replica costs: of the whole model in arm `a`, of each stage in `b` and `c`. */
export function coldStartTable(trials: readonly Trial[]): string {
  const groups = [
    { what: 'whole model', trials: trials.filter(({ arm }) => arm === 'a') },
    { what: 'split', trials: trials.filter(({ arm }) => arm !== 'a') },
  ];
  const rows = groups.flatMap(({ what, trials: own }) =>
    coldStarts(own)
      .filter(({ app }) => app !== 'gateway')
      .map(({ app, pods, toStarted, toReady, whole }) => [
        what,
        app,
        String(pods),
        ...[toStarted, toReady, whole].map((value) => spreadText(value && seconds(value))),
        figure(mostMemory(own, app) / MEBIBYTE),
      ]),
  );
  const spans = ['created → started', 'started → ready', 'created → ready'];
  const head = spans.map((name) => `${name} s, median (min–max)`);
  return table(['model', 'stage', 'pods', ...head, 'most memory, MiB, without sidecar'], rows);
}

const seconds = ({ min, median, max }: Spread): Spread => ({
  min: min / 1000,
  median: median / 1000,
  max: max / 1000,
});

const mostMemory = (trials: readonly Trial[], app: string): number =>
  Math.max(
    0,
    ...trials
      .flatMap(({ observations }) => observations)
      .flatMap(({ pods }) => pods.filter((pod) => pod.app === app))
      .map(({ service }) => service?.rssBytes ?? 0),
  );
