import { figure, plural } from '../../../cli/tables.js';
import { priceRatios } from '../prices.js';
import { TIE } from './map.js';
import { WHOLE, type MapCell } from '../simulate/map.js';

/** Somebody has these devices, and asks how to serve that model. */
interface Question {
  readonly title: string;
  readonly shape: string;
  readonly device: string;
  readonly count: number;
}

const QUESTIONS: readonly Question[] = [
  { title: '13B on 4 × L40S', shape: 'llama-2-13b', device: 'l40s', count: 4 },
  { title: '8B on one A100', shape: 'llama-3-8b', device: 'a100-80g', count: 1 },
  { title: '70B on 8 × L4', shape: 'llama-2-70b', device: 'l4', count: 8 },
];

/** Three questions, each answered from the map. */
export const answersText = (map: readonly MapCell[]): string =>
  QUESTIONS.map((question) => `- **${question.title}**: ${answerOf(question, map)}`).join('\n');

/** One answer, for prompts of the middle length, over Dapr. */
export function answerOf({ shape, device, count }: Question, map: readonly MapCell[]): string {
  const there = map.filter((cell) => cell.scale === 1 && cell.shape === shape && cell.device === device);
  const prompts = [...new Set(there.map(({ prompt }) => prompt))].sort((one, other) => one - other);
  const cells = there.filter(({ prompt }) => prompt === prompts[prompts.length >> 1]);
  if (cells.length === 0) return 'is not on the map.';
  const whole = cells.find(({ arm, kneePerDevice }) => arm === WHOLE && kneePerDevice > 0);
  const splits = meshHop(cells.filter(({ stages, kneePerDevice }) => stages > 1 && kneePerDevice > 0));
  const possible = splits.filter(({ stages }) => count % stages === 0);
  const best = largest(possible);
  return [
    decision(whole, best, count),
    whole === undefined
      ? 'One device does not hold it.'
      : `${plural(count, 'whole replica')}: ${served(whole, count)}.`,
    ...possible.map((cell) => `${waysText(cell, count)}: ${served(cell, count)}.`),
    possible.length === 0 && whole !== undefined && splits.length > 0
      ? `With more devices, a split would serve ${figure(largest(splits)!.ratioToWhole)} × as much per device.`
      : '',
    priceText(best, whole, device),
    `Prompts of ${cells[0]!.prompt}, outputs of ${cells[0]!.output}${hopText(possible)}.`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}

function decision(whole: MapCell | undefined, best: MapCell | undefined, count: number): string {
  if (whole === undefined && best === undefined)
    return `neither whole nor split is it served within the limits by ${plural(count, 'such device')}, if it fits them at all.`;
  if (whole === undefined) return `**split in ${best!.stages}**, there is no other way.`;
  if (best === undefined) return '**whole**.';
  const ratio = best.kneePerDevice / whole.kneePerDevice;
  if (ratio > 1 + TIE) return `**split in ${best.stages}**, × ${figure(ratio)}.`;
  return ratio < 1 - TIE ? `**whole**, a split serves × ${figure(ratio)}.` : '**whole**, for it is a tie.';
}

const largest = (cells: readonly MapCell[]): MapCell | undefined =>
  [...cells].sort((one, other) => other.kneePerDevice - one.kneePerDevice)[0];

/** Those with Dapr's hop; where none is called so, those with the shortest. */
function meshHop(cells: readonly MapCell[]): MapCell[] {
  const dapr = cells.filter(({ hopName }) => /dapr/i.test(hopName)).map(({ hopMs }) => hopMs);
  const hop = dapr.length > 0 ? Math.max(...dapr) : Math.min(...cells.map(({ hopMs }) => hopMs));
  return cells.filter(({ hopMs }) => hopMs === hop);
}

const waysText = ({ stages }: MapCell, count: number): string =>
  `${plural(count / stages, 'chain')} of ${stages} stages`;

/** What it takes with hardly any load stands apart from what it carries: at the knee a token takes as long as the limits let it. */
const served = ({ kneePerDevice, tpotMs }: MapCell, count: number): string =>
  `${figure(kneePerDevice * count)} requests/s (TPOT ${figure(tpotMs)} ms at a twentieth of that)`;

const hopText = ([first]: readonly MapCell[]): string =>
  first === undefined
    ? ''
    : `, a hop of ${first.hopMs} ms${first.hopName === '' ? '' : ` (${first.hopName})`}`;

/** Of the better way on this device, against the whole model on an A100 of 80 GB. */
function priceText(best: MapCell | undefined, whole: MapCell | undefined, device: string): string {
  const cell = largest([best, whole].filter((each) => each !== undefined));
  const ratios = priceRatios('a100-80g', device);
  if (!cell?.breakEvenPriceRatio || device === 'a100-80g' || ratios.length === 0) return '';
  const even = cell.breakEvenPriceRatio;
  const [least, most] = [ratios[0]!, ratios.at(-1)!];
  const verdict =
    even < least ? 'it is cheaper' : even > most ? 'the A100 is cheaper' : 'it depends on the list';
  return (
    `Against an A100 of 80 GB it breaks even where that costs ${figure(even)} × as much ` +
    `(lists: ${figure(least)}–${figure(most)}; ${verdict}).`
  );
}
