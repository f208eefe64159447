import { adviceOf, type Advice, type Room } from './advice.js';
import { predictMerge, type MergePrediction } from './better-merge.js';
import { predictSplit, type LayerCosts } from './better-split.js';
import { hopSeconds, hopsOfRound, type Measured, type MeasuredStage } from './measure.js';
import { predictReplica, type Prediction } from './predict.js';
import type { PhaseRounds } from './round-log.js';

/** What `GET /report` answers. Milliseconds and shares from 0 to 1. */
export interface Report {
  readonly model: string;
  readonly split: readonly number[];
  /** Of the window, seconds. */
  readonly window_s: number;
  /** Sequences that were decoding, on average. */
  readonly sequences: number;
  readonly tokens_per_second: number;
  /** Mean time to the first token as the gateway sees it, null where none came in the window; and per further token. */
  readonly ttft_ms: number | null;
  readonly tpot_ms: number;
  readonly stages: readonly StageReport[];
  readonly hops: { readonly prefill_ms: number; readonly decode_ms: number; readonly tpot_share: number };
  readonly bottleneck: { readonly stage: string; readonly evidence: readonly string[] };
  readonly predictions: readonly PredictionReport[];
  readonly advice: Advice;
}

export interface StageReport {
  readonly stage: string;
  readonly replicas: readonly string[];
  /** Of the mean time per token, and of the mean time to the first. */
  readonly tpot_share: number;
  readonly ttft_share: number;
  readonly decode: StageTimes;
  readonly prefill: StageTimes;
  readonly batch_size: number;
  readonly step_ms: number;
  readonly utilisation: number;
  /** How many times the present load it could bear, were it never idle. */
  readonly headroom: number;
}

/** Of a mean round. */
interface StageTimes {
  /** On the way into the stage: the part of all hops that its link has of all links' round trips. */
  readonly hop_ms: number;
  readonly queue_ms: number;
  readonly compute_ms: number;
}

interface PredictionReport {
  /** Such as `stage-1 +1 replica`, `stage-1 and stage-2 merged` or `split 9,18`. */
  readonly change: string;
  readonly tokens_per_second: number;
  readonly tpot_ms: number;
  /** Of the throughput. */
  readonly gain: number;
  /** Steps of one size only were seen: how much of a step a replica would save is a guess, the highest. */
  readonly guessed: boolean;
}

/** Puts the measures of a window into words and numbers. */
export function reportOf(
  measured: Measured,
  model: { readonly name: string; readonly split: readonly number[]; readonly costs: LayerCosts },
  room: Room,
): Report {
  const { rounds, stages } = measured;
  const hops = { prefill: hopSeconds(measured, 'prefill'), decode: hopSeconds(measured, 'decode') };
  const better = predictSplit(measured, model.split, model.costs);
  const merge = predictMerge(measured);
  const replicas = stages.map((_, index) => predictReplica(measured, index));
  const names = stages.map(({ appId }) => appId);
  return {
    model: model.name,
    split: model.split,
    window_s: round(measured.seconds, 1),
    sequences: round(measured.sequences, 2),
    tokens_per_second: round(measured.tokenRate, 1),
    ttft_ms: rounds.prefill.rounds === 0 ? null : round(meanFirst(rounds.prefill) * 1000, 2),
    tpot_ms: toMs(rounds.decode.roundTrip / rounds.decode.tokens),
    stages: stages.map((stage, index) =>
      stageReport(stage, measured, {
        prefill: hopsOfRound(measured, 'prefill')[index]!,
        decode: hopsOfRound(measured, 'decode')[index]!,
      }),
    ),
    hops: {
      prefill_ms: toMs(hops.prefill),
      decode_ms: toMs(hops.decode),
      tpot_share: round(hops.decode / meanRound(rounds.decode), 3),
    },
    bottleneck: bottleneckOf(measured),
    predictions: [
      ...stages.map((stage, index) =>
        predictionReport(`${stage.appId} +1 replica`, replicas[index]!, stage.cost.guessed),
      ),
      ...(merge === null ? [] : [mergeReport(merge, stages)]),
      ...(better === null ? [] : [predictionReport(`split ${better.split.join()}`, better, false)]),
    ],
    advice: adviceOf({ stages: names, room, replicas, merge, split: better }),
  };
}

function stageReport(
  stage: MeasuredStage,
  { rounds }: Measured,
  hops: { readonly prefill: number; readonly decode: number },
): StageReport {
  const { decode, prefill, utilisation } = stage;
  const shareOf = ({ queue, compute }: { queue: number; compute: number }, whole: number): number =>
    whole === 0 ? 0 : round((queue + compute) / whole, 3);
  return {
    stage: stage.appId,
    replicas: stage.replicas.map(({ replica }) => replica),
    tpot_share: shareOf(decode, meanRound(rounds.decode)),
    ttft_share: shareOf(prefill, meanFirst(rounds.prefill)),
    decode: timesOf(decode, hops.decode),
    prefill: timesOf(prefill, hops.prefill),
    batch_size: round(stage.batch, 2),
    step_ms: toMs(stage.stepSeconds),
    utilisation: round(utilisation, 3),
    headroom: round(1 / Math.max(utilisation, 1e-3), 2),
  };
}

const timesOf = ({ queue, compute }: { queue: number; compute: number }, hop: number): StageTimes => ({
  hop_ms: toMs(hop),
  queue_ms: toMs(queue),
  compute_ms: toMs(compute),
});

/** The stage whose replicas are the least idle: with more load it is the first that cannot keep up. */
function bottleneckOf({ stages }: Measured): Report['bottleneck'] {
  const [busiest, ...others] = [...stages].sort((a, b) => b.utilisation - a.utilisation);
  const { appId, utilisation, decode, batch, stepSeconds } = busiest!;
  const next = others[0];
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  return {
    stage: appId,
    evidence: [
      `its engine computed ${percent(utilisation)} of the time` +
        (next === undefined ? '' : `, that of ${next.appId}, the next, ${percent(next.utilisation)}`),
      `a step of ${batch.toFixed(1)} sequences takes ${toMs(stepSeconds)} ms`,
      `a token's round spends ${toMs(decode.compute)} ms computing there and ${toMs(decode.queue)} ms waiting`,
    ],
  };
}

const predictionReport = (
  change: string,
  { tokensPerSecond, timePerToken, gain }: Prediction,
  guessed: boolean,
): PredictionReport => ({
  change,
  tokens_per_second: round(tokensPerSecond, 1),
  tpot_ms: toMs(timePerToken),
  gain: round(gain, 3),
  guessed,
});

function mergeReport(merge: MergePrediction, stages: readonly MeasuredStage[]): PredictionReport {
  const [one, next] = [stages[merge.stage]!, stages[merge.stage + 1]!];
  const guessed = one.cost.guessed || next.cost.guessed;
  return predictionReport(`${one.appId} and ${next.appId} merged`, merge, guessed);
}

const meanRound = ({ roundTrip, rounds }: PhaseRounds): number => (rounds === 0 ? 0 : roundTrip / rounds);

/** With what passed in the gateway before. */
const meanFirst = ({ roundTrip, before, rounds }: PhaseRounds): number =>
  rounds === 0 ? 0 : (roundTrip + before) / rounds;

const toMs = (seconds: number): number => round(seconds * 1000, 3);

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
