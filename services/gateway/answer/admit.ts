import type { Admission } from '../admission.js';
import type { DemandMeter } from '../demand/demand-meter.js';
import type { TokenCost } from '../keys/tenant.js';
import { promptTokensOf, type Choice, type GenerationPlan } from './choice.js';
import type { RunningChoice } from './running-choice.js';

/** The right of a request to run its choices, until released: then its tenant is charged for what they have taken. */
interface RequestPermit {
  release(running: readonly Pick<RunningChoice, 'generation' | 'generated'>[]): void;
}

/** What requests are let in to. */
export interface Admitting {
  readonly admission: Pick<Admission, 'acquire'>;
  readonly demand: Pick<DemandMeter, 'asked'>;
}

/**
 * First the tenant's tokens, then a place for every choice, which is demand for the mesh even if there is none. Throws
 * `rate_limit_exceeded`, and what `Admission.acquire` does.
 */
export async function admit(
  { admission, demand }: Admitting,
  plan: GenerationPlan,
  choices: readonly Choice[],
  signal: AbortSignal,
): Promise<RequestPermit> {
  const { settings, tenant } = plan;
  const cost = costOf(plan);
  const settle = tenant?.reserve(cost);
  const leaveQueue = demand.asked(choices);
  try {
    const param = settings.choices === 1 ? 'prompt' : 'n';
    const permit = await admission.acquire(choices.length, signal, settings.priority, param);
    return {
      release: (running) => {
        permit.release();
        const hasBegun = running.some(({ generation }) => generation !== null);
        settle?.(running.reduce((sum, { generated }) => sum + generated, hasBegun ? cost.prompt : 0));
      },
    };
  } catch (error) {
    settle?.(0);
    throw error;
  } finally {
    leaveQueue();
  }
}

const costOf = (plan: GenerationPlan): TokenCost => ({
  prompt: promptTokensOf(plan),
  output: plan.prompts.reduce((sum, { maxTokens }) => sum + maxTokens * plan.settings.choices, 0),
});
