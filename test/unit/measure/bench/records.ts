import type { RequestRecord, Trial, Usage } from '../../../../scripts/lib/measure/types.js';

/** A record of what matters to a test. */
export const recordOf = (what: Partial<RequestRecord>): RequestRecord => ({
  kind: 'request',
  promptTokens: 1,
  outputTokens: what.tokens?.length ?? 0,
  sent: 0,
  tokens: [],
  error: null,
  ...what,
});

const IDLE: Usage = { processes: [], stages: [], clientSeconds: 0, otherSeconds: null };

export const trialOf = (
  what: Partial<Omit<Trial, 'usage'>> & { readonly usage?: Partial<Usage> },
): Trial => ({
  arm: 'direct',
  load: 'closed-1',
  round: 1,
  records: [],
  ...what,
  usage: { ...IDLE, ...what.usage },
});
