import { squareWorkload, STEP_FACTOR, stepWorkload, WAVES } from '../../loads/arrivals.js';
import { conversationWorkload } from '../../loads/traces.js';
import type { Arrival, PlannedRequest } from '../../types.js';

export const LOADS = ['step', 'square', 'conversation'] as const;
export type LoadName = (typeof LOADS)[number];

/** What comes, whatever becomes of it: the same for every arm. */
export interface OpenLoad {
  readonly name: LoadName;
  /** For the reader, with every number that it takes to repeat it. */
  readonly title: string;
  readonly arrivals: readonly Arrival[];
  /** Seconds. */
  readonly duration: number;
  /** When it first rises at once, seconds; null where it does not. */
  readonly risesAt: number | null;
}

export interface LoadOptions {
  /** Requests a second at ×1. */
  readonly rate: number;
  /** Of the square wave, seconds. */
  readonly duration: number;
  readonly seed: number;
}

/** Of every request whose lengths the load does not say itself. */
export const REQUEST: PlannedRequest = { kind: 'request', promptTokens: 64, outputTokens: 32 };

/** A step must outlast the reaction to it, or nothing is seen of what it brings. */
const STRETCH: Readonly<Record<LoadName, number>> = { step: 2, square: 1, conversation: 0.5 };

/** Bring the conversations' mean lengths near those of `REQUEST`. */
const DIVISORS = { promptDivisor: 16, outputDivisor: 8 };
/** The conversations' mean rate, against ×1. */
const CONVERSATION_FACTOR = 2;

export function openLoad(name: LoadName, options: LoadOptions): OpenLoad {
  const { rate, seed } = options;
  const duration = options.duration * STRETCH[name];
  const { promptTokens, outputTokens } = REQUEST;
  const phases = { rate, duration, seed, promptTokens, outputTokens };
  const [low, high] = [rate.toFixed(2), (rate * STEP_FACTOR).toFixed(2)];
  const each = `prompt ${promptTokens}, output ${outputTokens}, seed ${seed}`;
  switch (name) {
    case 'step': {
      const title = `Step: ${low} → ${high} → ${low} requests/s, a third of ${duration} s each, ${each}`;
      return { name, title, arrivals: stepWorkload(phases), duration, risesAt: duration / 3 };
    }
    case 'square': {
      const title = `Square wave: ${low} and ${high} requests/s in turn, ${WAVES} waves in ${duration} s, ${each}`;
      return { name, title, arrivals: squareWorkload(phases), duration, risesAt: duration / WAVES / 2 };
    }
    case 'conversation': {
      const mean = rate * CONVERSATION_FACTOR;
      const title =
        `Conversations: like Azure's trace, a mean of ${mean.toFixed(2)} requests/s for ${duration} s, ` +
        `prompts ÷ ${DIVISORS.promptDivisor}, outputs ÷ ${DIVISORS.outputDivisor}, seed ${seed}`;
      const arrivals = conversationWorkload({ rate: mean, duration, seed, ...DIVISORS });
      return { name, title, arrivals, duration, risesAt: null };
    }
  }
}
