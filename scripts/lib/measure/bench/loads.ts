import { plural } from '../../cli/tables.js';
import { closedSchedule } from '../drivers.js';
import { poissonWorkload, STEP_FACTOR, stepWorkload, type PhaseOptions } from '../loads/arrivals.js';
import {
  modelText,
  randomPrompts,
  rewriter,
  sharedPrefixPrompts,
  sharedPrefixWorkload,
  type Rewriter,
} from '../loads/prompts.js';
import { SHARE_GPT_LENGTHS, shareGptRequests } from '../loads/share-gpt.js';
import { codeBurstsWorkload, conversationWorkload } from '../loads/traces.js';
import type { Arrival, Load, Schedule } from '../types.js';
import { PEERS, type LoadOptions, type WorkloadName } from './options.js';

const CONCURRENCY = [1, 4, 16];
const SWEEP_RATES = [0.5, 1, 2, 4];
/** With fewer, the last ones, beside which fewer and fewer run, would be most of what a few clients see. */
const MIN_REQUESTS = 12;
const WARM_UP_CLIENTS = 4;
/** How many requests of an open loop a peer is set up to run at once; Layermesh's own default. */
const OPEN_CLIENTS = 32;
const LONG_PROMPT_CLIENTS = 8;
const SHARED_PREFIX_PAIRS = 4;
const SHARE_GPT_CLIENTS = 64;
/** What a chat template and the instruction put around a text, at most. */
const AROUND_TEXT = 128;
/** Fit an hour of a large cluster's requests to a small machine. */
const DIVISORS = { promptDivisor: 8, outputDivisor: 4 };
/** Each round has arrivals of its own. */
const ROUND_STRIDE = 1_000_003;

/** What the options ask to be measured, in order. */
export function loadsOf(options: LoadOptions): Load[] {
  if (options.smoke) return [closedLoad({ ...options, promptTokens: 16, outputTokens: 8, requests: 1 }, 2)];
  if (options.workload !== undefined) return workloadLoads(options.workload, options);
  const clients = options.concurrency ?? (options.rate === undefined ? CONCURRENCY : []);
  return [
    ...clients.map((count) => closedLoad(options, count)),
    ...(options.rate ?? []).map((rate) => openLoad('poisson', options, rate)),
  ];
}

function workloadLoads(workload: WorkloadName, options: LoadOptions): Load[] {
  const { rate: rates = [1], concurrency } = options;
  switch (workload) {
    case 'sweep':
      return (options.rate ?? SWEEP_RATES).map((rate) => openLoad('poisson', options, rate));
    case 'step':
    case 'conversation':
    case 'code-bursts':
      return rates.map((rate) => openLoad(workload, options, rate));
    case 'long-prompt':
      return (concurrency ?? [LONG_PROMPT_CLIENTS]).map((count) => longPromptLoad(options, count));
    case 'shared-prefix':
      return [sharedPrefixLoad(options)];
    case 'rewrite':
      return (concurrency ?? [1]).map((count) => rewriteLoad(options, count));
    case 'sharegpt':
      return (concurrency ?? [SHARE_GPT_CLIENTS]).map((count) => shareGptLoad(options, count));
    case 'bars':
      return barLoads(options);
  }
}

/** Everything that the bars of bars.ts are computed from, and of each arm no more than that. */
function barLoads(options: LoadOptions): Load[] {
  const served = ['dapr', 'dapr-plain'];
  const compared = [...served, ...PEERS];
  // The mesh tax is against it.
  const alsoDirect = [...compared, 'direct'];
  return [
    { ...closedLoad(options, 1), arms: alsoDirect },
    { ...closedLoad(options, 2), arms: served },
    { ...closedLoad(options, 4), arms: compared },
    { ...closedLoad(options, 8), arms: served },
    closedLoad(options, 16),
    { ...closedLoad(options, 32), arms: alsoDirect },
    { ...longPromptLoad(options, LONG_PROMPT_CLIENTS), arms: served },
    { ...sharedPrefixLoad(options), arms: ['dapr'] },
    { ...rewriteLoad(options, 1), arms: served },
  ];
}

function closedLoad(options: LoadOptions, clients: number): Load {
  const { promptTokens, outputTokens, requests } = options;
  const planned = { kind: 'request', promptTokens, outputTokens };
  const number = Math.max(MIN_REQUESTS, clients * requests);
  return {
    name: `closed-${clients}`,
    title: `Closed loop, ${plural(clients, 'client')}, ${lengths(options)}, ${number} requests a round`,
    size: { clients, tokens: promptTokens + outputTokens },
    warmUp: closedSchedule(clients, clients, planned),
    schedule: () => closedSchedule(clients, number, planned),
    prompts: randomPrompts,
  };
}

/** Loads whose requests come when they come: how they read, and when that is. */
const OPEN: Readonly<
  Record<
    'poisson' | 'step' | 'conversation' | 'code-bursts',
    { title: (rate: number, options: LoadOptions) => string; arrivals: (options: PhaseOptions) => Arrival[] }
  >
> = {
  poisson: {
    title: (rate, { duration, ...options }) =>
      `Open loop, Poisson ${rate} requests/s for ${duration} s, ${lengths(options)}`,
    arrivals: poissonWorkload,
  },
  step: {
    title: (rate, { duration, ...options }) =>
      `Step, Poisson ${rate} → ${rate * STEP_FACTOR} → ${rate} requests/s, a third of ${duration} s each, ` +
      lengths(options),
    arrivals: stepWorkload,
  },
  conversation: {
    title: (rate, options) => traceTitle('conversation', rate, options),
    arrivals: (options) => conversationWorkload({ ...options, ...DIVISORS }),
  },
  'code-bursts': {
    title: (rate, options) => traceTitle('code-bursts', rate, options),
    arrivals: (options) => codeBurstsWorkload({ ...options, ...DIVISORS }),
  },
};

const traceTitle = (name: string, rate: number, { duration }: LoadOptions): string =>
  `Like Azure's ${name} trace, scaled to a mean of ${rate} requests/s for ${duration} s, ` +
  `prompts ÷ ${DIVISORS.promptDivisor}, outputs ÷ ${DIVISORS.outputDivisor}`;

function openLoad(kind: keyof typeof OPEN, options: LoadOptions, rate: number): Load {
  const { title, arrivals: arrivalsOf } = OPEN[kind];
  const { seed, rounds, dilate = 1 } = options;
  const arrivals = Array.from({ length: rounds + 1 }, (_, round) =>
    arrivalsOf({ ...options, rate, seed: seed + round * ROUND_STRIDE }).map((arrival) => ({
      ...arrival,
      at: arrival.at * dilate,
    })),
  );
  const tokens = arrivals.flat().map((each) => each.promptTokens + each.outputTokens);
  return {
    name: `${kind}-${rate}`,
    title: `${title(rate, options)}${dilate === 1 ? '' : `, all of it stretched x ${dilate}`}, seed ${seed}`,
    size: { clients: OPEN_CLIENTS, tokens: Math.max(1, ...tokens) },
    // Round 0 is of the same kind, and is never measured.
    warmUp: {
      type: 'closed',
      clients: WARM_UP_CLIENTS,
      requests: arrivals[0]!.slice(0, 2 * WARM_UP_CLIENTS),
    },
    schedule: (round) => ({ type: 'open', arrivals: arrivals[round]! }),
    prompts: randomPrompts,
  };
}

/** A long prompt arrives while clients are being answered: how long do they stall, and how long does it take? */
function longPromptLoad(options: LoadOptions, clients: number): Load {
  const { promptTokens, outputTokens, longPromptTokens } = options;
  // Only its first token is of interest.
  const long = { promptTokens: longPromptTokens, outputTokens: 8 };
  const running = { kind: 'running', promptTokens, outputTokens };
  const schedule: Schedule = {
    type: 'injection',
    alone: { kind: 'alone', ...long },
    running: Array.from({ length: clients }, () => running),
    // Each has settled by then.
    afterTokens: 16,
    injected: { kind: 'injected', ...long },
  };
  return {
    name: `long-prompt-${clients}`,
    title:
      `A prompt of ${longPromptTokens} tokens arrives while ${plural(clients, 'client')} decode, ` +
      lengths(options),
    size: { clients: clients + 1, tokens: Math.max(promptTokens + outputTokens, longPromptTokens + 64) },
    warmUp: closedSchedule(clients, clients, running),
    schedule: () => schedule,
    prompts: randomPrompts,
  };
}

function sharedPrefixLoad({ sharedTokens, promptTokens, outputTokens }: LoadOptions): Load {
  const options = { sharedTokens, ownTokens: promptTokens, outputTokens };
  return {
    name: 'shared-prefix',
    title:
      `Two requests after another whose prompts share ${sharedTokens} tokens before ${promptTokens} of their own, ` +
      `output ${outputTokens}, ${SHARED_PREFIX_PAIRS} times a round`,
    size: { clients: 1, tokens: sharedTokens + promptTokens + outputTokens },
    warmUp: sharedPrefixWorkload(options, 1),
    schedule: () => sharedPrefixWorkload(options, SHARED_PREFIX_PAIRS),
    prompts: (seed) => sharedPrefixPrompts(seed, options),
  };
}

function rewriteLoad(options: LoadOptions, clients: number): Load {
  const { model, outputTokens, requests } = options;
  const planned = { kind: 'rewrite', promptTokens: outputTokens + AROUND_TEXT, outputTokens };
  const number = Math.max(MIN_REQUESTS, clients * requests);
  let opened: Promise<Rewriter> | undefined;
  return {
    name: `rewrite-${clients}`,
    title:
      `Closed loop, ${plural(clients, 'client')}, "rewrite this text", about ${outputTokens} tokens long, ` +
      `output ${outputTokens}, ${number} requests a round`,
    size: { clients, tokens: planned.promptTokens + outputTokens },
    warmUp: closedSchedule(clients, clients, planned),
    schedule: () => closedSchedule(clients, number, planned),
    prompts: async (seed, signal) => {
      opened ??= modelText(model, signal).then((text) => rewriter(text, outputTokens));
      return (await opened)(seed);
    },
  };
}

/** What a published benchmark of GPUs asked: chats of uneven lengths, some of them long. */
function shareGptLoad({ requests }: LoadOptions, clients: number): Load {
  const planned = shareGptRequests(Math.max(MIN_REQUESTS, clients * requests));
  const longest = Math.max(...planned.map(({ promptTokens, outputTokens }) => promptTokens + outputTokens));
  return {
    name: `sharegpt-${clients}`,
    title:
      `Like ShareGPT, closed loop, ${plural(clients, 'client')}, mean prompt ${SHARE_GPT_LENGTHS.prompt}, ` +
      `mean output ${SHARE_GPT_LENGTHS.output}, ${planned.length} requests a round`,
    size: { clients, tokens: longest },
    warmUp: closedSchedule(clients, clients, { kind: 'sharegpt', promptTokens: 16, outputTokens: 16 }),
    schedule: () => ({ type: 'closed', clients, requests: planned }),
    prompts: randomPrompts,
  };
}

const lengths = ({
  promptTokens,
  outputTokens,
}: Pick<LoadOptions, 'promptTokens' | 'outputTokens'>): string =>
  `prompt ${promptTokens}, output ${outputTokens}`;
