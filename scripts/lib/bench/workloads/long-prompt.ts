import type { Schedule } from '../types.js';

export interface LongPromptOptions {
  readonly clients: number;
  /** Of each running request. */
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly longPromptTokens: number;
}

/** Of the long request: only its first token is of interest. */
const LONG_OUTPUT = 8;
/** Each running request has settled by then. */
const AFTER_TOKENS = 16;

/** A long prompt arrives while clients are being answered: how long do they stall, and how long does it take? */
export function longPromptWorkload(options: LongPromptOptions): Schedule {
  const { clients, promptTokens, outputTokens, longPromptTokens } = options;
  const long = { promptTokens: longPromptTokens, outputTokens: LONG_OUTPUT };
  return {
    type: 'injection',
    alone: { kind: 'alone', ...long },
    running: Array.from({ length: clients }, () => ({ kind: 'running', promptTokens, outputTokens })),
    afterTokens: AFTER_TOKENS,
    injected: { kind: 'injected', ...long },
  };
}
