import { figure, table } from '../../cli/tables.js';
import { sum } from '../figures/statistics.js';
import { shareGptRequests, type Lengths } from '../loads/share-gpt.js';
import published from './lmdeploy-a100.json' with { type: 'json' };
import {
  closedLoopRate,
  decodeSeconds,
  firstTokenSeconds,
  fits,
  prefillSeconds,
  wholeModel,
  type DecodeCase,
} from './predict.js';

/** A published figure and the cost model's. */
interface Compared {
  readonly published: number;
  readonly modelled: number;
}

/** What the cost model says of one model beside what was published of it; times in milliseconds. */
interface Validation {
  readonly shape: string;
  readonly decode: readonly (DecodeCase & Compared & { readonly fits: boolean })[];
  /** `inOneStep` is the modelled time of one step over the whole prompt. */
  readonly firstToken: readonly (Compared & { readonly prompt: number; readonly inOneStep: number })[];
  /** Requests a second, by the assumed spread of their lengths. */
  readonly shareGpt: readonly (Compared & { readonly spread: number; readonly batch: number })[];
}

/** Equal lengths, and lengths as uneven as those of chats. */
const SPREADS = [0, 1];

/** Of every published model, the benchmark's own first. */
export function validate(): Validation[] {
  return published.models.map(({ shape, decode, firstToken, shareGpt }) => {
    const model = wholeModel(shape, published.device);
    return {
      shape,
      decode: decode.map((row) => ({
        ...row,
        published: row.milliseconds,
        modelled: decodeSeconds(model, row) * 1e3,
        fits: fits(model, row),
      })),
      firstToken: firstToken.map(({ prompt, milliseconds }) => ({
        prompt,
        published: milliseconds,
        modelled: firstTokenSeconds(model, prompt) * 1e3,
        inOneStep: prefillSeconds(model, prompt) * 1e3,
      })),
      shareGpt: SPREADS.map((spread) => ({
        spread,
        batch: shareGpt.batch,
        published: shareGpt.requestsPerSecond,
        modelled: closedLoopRate(
          model,
          shareGpt.batch,
          shareGptRequests(shareGpt.requests, meanLengths(shareGpt), spread),
        ),
      })),
    };
  });
}

/** What the rates of a run imply. */
function meanLengths(run: (typeof published.models)[number]['shareGpt']): Lengths {
  const output = run.outputTokensPerSecond / run.requestsPerSecond;
  return { prompt: run.tokensPerSecond / run.requestsPerSecond - output, output };
}

/** Of the published figure; above 0 where the model's is higher. */
export const errorOf = ({ published: truth, modelled }: Compared): number => modelled / truth - 1;

export const meanAbsoluteError = (rows: readonly Compared[]): number =>
  sum(rows.map((row) => Math.abs(errorOf(row)))) / rows.length;

/** The tables of the page. */
export function validationText(validations: readonly Validation[]): string {
  const { source, device } = published;
  return [
    `Published: [${source.name}](${source.url}). Modelled: the whole model on one ${device}, cost model 1, no host, no mesh.`,
    ...validations.map(modelText),
  ].join('\n\n');
}

function modelText({ shape, decode, firstToken, shareGpt }: Validation): string {
  const counted = decode.filter((row) => row.fits);
  const worst = Math.max(...counted.map((row) => Math.abs(errorOf(row))));
  const left = decode.length - counted.length;
  return [
    `### ${shape}`,
    `Median time of a decode step, ms: mean absolute error ${share(meanAbsoluteError(counted))} over ${counted.length} rows, ` +
      `bias ${signed(sum(counted.map(errorOf)) / counted.length)}, at most ${share(worst)}. The ${left} rows whose ` +
      'requests do not all fit at a time by the modelled memory are no test of a step, and do not count.',
    table(
      ['batch', 'prompt', 'output', 'published', 'modelled', 'error'],
      decode.map((row) => [
        ...[row.batch, row.prompt, row.output, row.published].map(String),
        figure(row.modelled),
        row.fits ? signed(errorOf(row)) : 'does not fit',
      ]),
    ),
    'Time to the first token of one request, ms: as that engine counts, and as one step.',
    table(
      ['prompt', 'published', 'modelled', 'error', 'in one step', 'error'],
      firstToken.map((row) => [
        ...[row.prompt, row.published].map(String),
        figure(row.modelled),
        signed(errorOf(row)),
        figure(row.inOneStep),
        signed(errorOf({ published: row.published, modelled: row.inOneStep })),
      ]),
    ),
    'ShareGPT, requests/s in a closed loop.',
    table(
      ['batch', 'lengths', 'published', 'modelled', 'error'],
      shareGpt.map((row) => [
        String(row.batch),
        row.spread === 0 ? 'equal' : `lognormal, sigma ${row.spread}`,
        figure(row.published),
        figure(row.modelled),
        signed(errorOf(row)),
      ]),
    ),
  ].join('\n\n');
}

const share = (error: number): string => `${(error * 100).toFixed(1)} %`;
const signed = (error: number): string => `${error < 0 ? '−' : '+'}${share(Math.abs(error))}`;
