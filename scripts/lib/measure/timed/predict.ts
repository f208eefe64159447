import { CostModel, type StepWork } from '../../../../services/lib/engine/timed/cost-model.js';
import { deviceProfile } from '../../../../services/lib/engine/timed/device-profile.js';
import { modelShape } from '../../../../services/lib/model/shapes/model-shape.js';
import type { PlannedRequest } from '../types.js';

/** One published row of a benchmark with equal requests, `batch` of them at a time. */
export interface DecodeCase {
  readonly batch: number;
  /** Tokens of each request. */
  readonly prompt: number;
  readonly output: number;
}

/** The cost model of all layers of a model on one device. */
export function wholeModel(shape: string, device: string): CostModel {
  const config = modelShape(shape);
  const { layers } = config;
  return new CostModel(config, deviceProfile(device), { start: 0, end: layers, layers });
}

/** Tokens cached in the step halfway through the outputs, the one whose time is the median of all. */
const halfway = ({ prompt, output }: DecodeCase): number => prompt + output / 2;

/** Seconds of the median step. */
export const decodeSeconds = (model: CostModel, row: DecodeCase): number =>
  model.stepSeconds(decodeStep(Array<number>(row.batch).fill(halfway(row))));

/** Whether all requests can run at a time in the median step; where not, the engine ran fewer than the row says. */
export const fits = (model: CostModel, row: DecodeCase): boolean =>
  row.batch * halfway(row) <= model.kvTokens;

/** Seconds of a prompt alone, in one step that ends with a sampled token. */
export const prefillSeconds = (model: CostModel, prompt: number): number =>
  model.stepSeconds({ items: [{ rows: prompt, cached: 0 }], logits: 1 });

/**
 * The same as TurboMind does it (`contextDecode` in LlamaBatch.cc): a step over all tokens but the last, without logits,
 * and that one in the next decode step.
 */
export function firstTokenSeconds(model: CostModel, prompt: number): number {
  return model.stepSeconds(contextStep([prompt])) + model.stepSeconds(decodeStep([prompt - 1]));
}

/** Requests a second of a closed loop: whoever has ended is replaced at once, all that runs takes each decode step. */
export function closedLoopRate(model: CostModel, batch: number, requests: readonly PlannedRequest[]): number {
  const waiting = [...requests];
  let running: { cached: number; left: number }[] = [];
  let seconds = 0;
  for (;;) {
    const joining = waiting.splice(0, batch - running.length);
    seconds += model.stepSeconds(contextStep(joining.map(({ promptTokens }) => promptTokens)));
    running.push(
      ...joining.map(({ promptTokens, outputTokens }) => ({ cached: promptTokens - 1, left: outputTokens })),
    );
    if (running.length === 0) return requests.length / seconds;
    seconds += model.stepSeconds(decodeStep(running.map(({ cached }) => cached)));
    running = running
      .map(({ cached, left }) => ({ cached: cached + 1, left: left - 1 }))
      .filter(({ left }) => left > 0);
  }
}

const decodeStep = (cached: readonly number[]): StepWork => ({
  items: cached.map((tokens) => ({ rows: 1, cached: tokens })),
  logits: cached.length,
});

/** Of prompts of one token nothing is left. */
const contextStep = (prompts: readonly number[]): StepWork => ({
  items: prompts.filter((prompt) => prompt > 1).map((prompt) => ({ rows: prompt - 1, cached: 0 })),
  logits: 0,
});
