import type { ServerResponse } from 'node:http';
import type { Choice, GenerationPlan } from '../answer/choice.js';
import type { RunningChoice } from '../answer/running-choice.js';
import type { TokenCost } from '../keys/tenant.js';
import type { Gateway } from './gateway.js';
import { tenantOf } from './middleware/authenticate.js';

/** The right of a request to run its choices, until released: then its tenant is charged for what they have taken. */
export interface RequestPermit {
  release(running: readonly Pick<RunningChoice, 'generation' | 'generated'>[]): void;
}

/** What is asked for, as far as the tenant who asks may have it. */
export function boundPlan(plan: GenerationPlan, response: ServerResponse): GenerationPlan {
  const tenant = tenantOf(response);
  return tenant === null ? plan : { ...plan, settings: { ...plan.settings, ...tenant.bind(plan.settings) } };
}

/**
 * First the tenant's tokens, then a place for every choice, which is demand for the mesh even if there is none. Throws
 * `rate_limit_exceeded`, and what `Admission.acquire` does.
 */
export async function admit(
  { admission, demand }: Pick<Gateway, 'admission' | 'demand'>,
  response: ServerResponse,
  plan: GenerationPlan,
  choices: readonly Choice[],
  signal: AbortSignal,
): Promise<RequestPermit> {
  const tenant = tenantOf(response);
  const cost = costOf(plan);
  const settle = tenant?.reserve(cost);
  response.setHeaders(new Map(Object.entries(tenant?.headers ?? {})));
  demand.asked(choices);
  try {
    const permit = await admission.acquire(choices.length, signal, plan.settings.priority);
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
  }
}

/** As in the usage, a prompt counts once, however many choices it has. */
const costOf = ({ prompts, settings }: GenerationPlan): TokenCost => ({
  prompt: prompts.reduce((sum, { ids }) => sum + ids.length, 0),
  output: prompts.reduce((sum, { maxTokens }) => sum + maxTokens * settings.choices, 0),
});
