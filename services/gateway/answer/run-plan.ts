import type { RatedToken } from '../../lib/openai/logprobs.js';
import { wholeCalls, type FinishedChoice, type ToolCallPiece } from '../../lib/openai/response-format.js';
import type { DemandMeter } from '../demand/demand-meter.js';
import type { RequestTrace } from '../telemetry/request-trace.js';
import type { Timings } from '../telemetry/timings.js';
import { admit, type Admitting } from './admit.js';
import {
  choicesOf,
  promptTokensOf,
  requireFewRatings,
  usageOfPlan,
  type Finished,
  type GenerationPlan,
} from './choice.js';
import { allOrAbort, RunningChoice, untilRouted, type ChoiceRunner } from './running-choice.js';

/** What requests run on. */
export interface PlanRunner extends ChoiceRunner, Admitting {
  readonly demand: Pick<DemandMeter, 'asked' | 'began' | 'ended'>;
}

/** A request whose choices run, each on a route of its own. */
export interface RunningPlan {
  readonly plan: GenerationPlan;
  readonly choices: readonly RunningChoice[];
  /** Of all choices. */
  readonly route: string;
  readonly trace: RequestTrace;
  readonly controller: AbortController;
}

/**
 * Runs all choices of a request at once. `deliver` reads them to their ends, be it for a client that waits or for none: it is
 * called when every sequence has its route, and nothing runs any more when it has returned. Throws why they cannot run, and
 * what `deliver` throws.
 */
export async function runPlan(
  runner: PlanRunner,
  plan: GenerationPlan,
  trace: RequestTrace,
  controller: AbortController,
  deliver: (running: RunningPlan) => Promise<readonly Finished[]>,
): Promise<void> {
  trace.tokenized(promptTokensOf(plan));
  requireFewRatings(plan);
  const asked = choicesOf(plan);
  const permit = await trace.measure('admission', () => admit(runner, plan, asked, controller.signal));
  const choices: RunningChoice[] = [];
  try {
    runner.metrics.admitted(trace.seconds);
    choices.push(...asked.map((choice) => new RunningChoice(runner, choice, trace, controller.signal)));
    await trace.measure('route', () => untilRouted(choices, controller));
    const route = choices.flatMap(({ generation }) => generation?.route ?? []).join(', ');
    trace.routed(route);
    runner.demand.began(asked);

    const finished = await deliver({ plan, choices, route, trace, controller });
    runner.demand.ended(asked, finished);
    trace.finish(
      usageOfPlan(plan, choices, finished),
      finished.map(({ finishReason }) => finishReason),
    );
  } finally {
    // Whatever went wrong: no sequence outlives its request.
    controller.abort(new Error('the request is over'));
    permit.release(choices);
  }
}

/** An answer that has come whole. */
interface WholeAnswer {
  readonly finished: readonly Finished[];
  /** As the plan's format has it. */
  readonly body: object;
  /** Where the time went, where that was asked for. */
  readonly timings: Timings | undefined;
}

/** Reads all choices to their ends. */
export async function wholeAnswer({ plan, choices, trace, controller }: RunningPlan): Promise<WholeAnswer> {
  const { format, timed, settings } = plan;
  const answers = await allOrAbort(choices.map(collect), controller);
  const finished = answers.map(({ tokens, finishReason }) => ({ tokens: tokens.length, finishReason }));
  const timings = timed ? trace.timings() : undefined;
  const whole = answers.map(({ prompt, tokens, ...choice }): FinishedChoice => ({
    ...choice,
    ...(settings.returnTokenIds ? { tokenIds: tokens, promptTokenIds: prompt } : {}),
  }));
  const body = format.response(whole, { usage: usageOfPlan(plan, choices, finished), timings });
  return { finished, body, timings };
}

async function collect({ choice: { index, prompt, sampling }, pieces }: RunningChoice) {
  let text = '';
  const tokens: number[] = [];
  const calls: ToolCallPiece[] = [];
  const rated: RatedToken[] = [];
  let ofPrompt = {};
  let ending: Pick<FinishedChoice, 'finishReason' | 'stopString'> = { finishReason: 'length' };
  for await (const piece of pieces) {
    text += piece.text;
    tokens.push(...piece.tokens);
    calls.push(...(piece.toolCalls ?? []));
    for (const token of piece.logprobs ?? []) rated.push(token);
    if (piece.promptLogprobs) ofPrompt = { promptLogprobs: piece.promptLogprobs };
    const { finishReason, stopString } = piece;
    if (finishReason !== null) ending = { finishReason, ...(stopString !== undefined && { stopString }) };
  }
  const toolCalls = calls.length > 0 ? { toolCalls: wholeCalls(calls) } : {};
  const logprobs = sampling.logprobs === null ? {} : { logprobs: rated };
  return { index, prompt, text, ...toolCalls, tokens, ...logprobs, ...ofPrompt, ...ending };
}
