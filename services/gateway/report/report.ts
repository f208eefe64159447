import { predictSplit, type LayerCosts } from './better-split.js';
import { hopSeconds, type Measured, type MeasuredStage } from './measure.js';
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
  /** Mean round of the first token (prefill), and mean time per further token. */
  readonly prefill_ms: number;
  readonly tpot_ms: number;
  readonly stages: readonly StageReport[];
  readonly hops: { readonly prefill_ms: number; readonly decode_ms: number; readonly tpot_share: number };
  readonly bottleneck: { readonly stage: string; readonly evidence: readonly string[] };
  readonly predictions: readonly PredictionReport[];
}

export interface StageReport {
  readonly stage: string;
  readonly replicas: readonly string[];
  /** Of the mean time per token, and of the first token's round. */
  readonly tpot_share: number;
  readonly ttft_share: number;
  readonly decode: { readonly queue_ms: number; readonly compute_ms: number };
  readonly prefill: { readonly queue_ms: number; readonly compute_ms: number };
  readonly batch_size: number;
  readonly step_ms: number;
  readonly utilisation: number;
  /** How many times the present load it could bear, were it never idle. */
  readonly headroom: number;
}

export interface PredictionReport {
  /** Such as `stage-1 +1 replica` or `split 9,18`. */
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
): Report {
  const { rounds, stages } = measured;
  const hops = { prefill: hopSeconds(measured, 'prefill'), decode: hopSeconds(measured, 'decode') };
  const better = predictSplit(measured, model.split, model.costs);
  return {
    model: model.name,
    split: model.split,
    window_s: measured.seconds,
    sequences: round(measured.sequences, 2),
    tokens_per_second: round(measured.tokenRate, 1),
    prefill_ms: round(meanRound(rounds.prefill), 2),
    tpot_ms: round(rounds.decode.roundTrip / rounds.decode.tokens, 3),
    stages: stages.map((stage) => stageReport(stage, measured)),
    hops: {
      prefill_ms: toMs(hops.prefill),
      decode_ms: toMs(hops.decode),
      tpot_share: round((hops.decode * 1000) / meanRound(rounds.decode), 3),
    },
    bottleneck: bottleneckOf(measured),
    predictions: [
      ...stages.map((stage, index) =>
        predictionReport(`${stage.appId} +1 replica`, predictReplica(measured, index), stage.cost.guessed),
      ),
      ...(better === null ? [] : [predictionReport(`split ${better.split.join()}`, better, false)]),
    ],
  };
}

function stageReport(stage: MeasuredStage, { rounds }: Measured): StageReport {
  const { decode, prefill, utilisation } = stage;
  const shareOf = (phase: PhaseRounds, { queue, compute }: { queue: number; compute: number }): number =>
    phase.rounds === 0 ? 0 : round(((queue + compute) * 1000) / meanRound(phase), 3);
  return {
    stage: stage.appId,
    replicas: stage.replicas.map(({ replica }) => replica),
    tpot_share: shareOf(rounds.decode, decode),
    ttft_share: shareOf(rounds.prefill, prefill),
    decode: { queue_ms: toMs(decode.queue), compute_ms: toMs(decode.compute) },
    prefill: { queue_ms: toMs(prefill.queue), compute_ms: toMs(prefill.compute) },
    batch_size: round(stage.batch, 2),
    step_ms: toMs(stage.stepSeconds),
    utilisation: round(utilisation, 3),
    headroom: round(1 / Math.max(utilisation, 1e-3), 2),
  };
}

/** The stage whose replicas are the least idle: with more load it is the first that can not keep up. */
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

const meanRound = ({ roundTrip, rounds }: PhaseRounds): number => (rounds === 0 ? 0 : roundTrip / rounds);

const toMs = (seconds: number): number => round(seconds * 1000, 3);

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
