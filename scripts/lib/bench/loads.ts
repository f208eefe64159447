import { createRandom } from '../../../services/lib/sampling/random.js';
import type { BenchOptions } from './bench-options.js';
import { modelText } from './model-text.js';
import { randomPrompts } from './prompts.js';
import type { Arrival, Load, PlannedRequest, Schedule } from './types.js';
import { codeBurstsWorkload } from './workloads/code-bursts.js';
import { conversationWorkload } from './workloads/conversation.js';
import { longPromptWorkload } from './workloads/long-prompt.js';
import type { WorkloadName } from './workloads/names.js';
import { poisson } from './workloads/poisson.js';
import { rewriter, type Rewriter } from './workloads/rewrite.js';
import { sharedPrefixPrompts, sharedPrefixWorkload } from './workloads/shared-prefix.js';
import { STEP_FACTOR, stepWorkload } from './workloads/step.js';
import type { TraceOptions } from './workloads/trace.js';

type LoadOptions = Pick<
  BenchOptions,
  | 'model'
  | 'concurrency'
  | 'rate'
  | 'workload'
  | 'duration'
  | 'promptTokens'
  | 'outputTokens'
  | 'longPromptTokens'
  | 'sharedTokens'
  | 'requests'
  | 'rounds'
  | 'seed'
  | 'smoke'
>;

const CONCURRENCY = [1, 4, 16];
const SWEEP_RATES = [0.5, 1, 2, 4];
/** With fewer, the last ones, beside which fewer and fewer run, would be most of what a few clients see. */
const MIN_REQUESTS = 12;
const WARM_UP_CLIENTS = 4;
/** How many requests of an open loop a peer is set up to run at once; Layermesh's own default. */
const OPEN_CLIENTS = 32;
const LONG_PROMPT_CLIENTS = 8;
const SHARED_PREFIX_PAIRS = 4;
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
    ...(options.rate ?? []).map((rate) => poissonLoad(options, rate)),
  ];
}

function workloadLoads(workload: WorkloadName, options: LoadOptions): Load[] {
  const rates = options.rate ?? [1];
  switch (workload) {
    case 'sweep':
      return (options.rate ?? SWEEP_RATES).map((rate) => poissonLoad(options, rate));
    case 'step':
      return rates.map((rate) => stepLoad(options, rate));
    case 'conversation':
      return rates.map((rate) => traceLoad('conversation', conversationWorkload, options, rate));
    case 'code-bursts':
      return rates.map((rate) => traceLoad('code-bursts', codeBurstsWorkload, options, rate));
    case 'long-prompt':
      return (options.concurrency ?? [LONG_PROMPT_CLIENTS]).map((count) => longPromptLoad(options, count));
    case 'shared-prefix':
      return [sharedPrefixLoad(options)];
    case 'rewrite':
      return (options.concurrency ?? [1]).map((count) => rewriteLoad(options, count));
    case 'bars':
      return barLoads(options);
  }
}

/** Everything that the bars of report/bars.ts are computed from, and of each arm no more than that. */
function barLoads(options: LoadOptions): Load[] {
  const served = ['dapr', 'dapr-plain'];
  const compared = [...served, 'llama-server', 'openvino-genai'];
  return [
    { ...closedLoad(options, 1), arms: compared },
    { ...closedLoad(options, 2), arms: served },
    { ...closedLoad(options, 4), arms: compared },
    { ...closedLoad(options, 8), arms: served },
    closedLoad(options, 16),
    { ...closedLoad(options, 32), arms: compared },
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
    warmUp: wave(clients, planned),
    schedule: () => ({ type: 'closed', clients, requests: Array<PlannedRequest>(number).fill(planned) }),
    prompts: randomPrompts,
  };
}

function poissonLoad(options: LoadOptions, rate: number): Load {
  const { promptTokens, outputTokens, duration } = options;
  return openLoad(
    options,
    `poisson-${rate}`,
    `Open loop, Poisson ${rate} requests/s for ${duration} s, ${lengths(options)}, seed ${options.seed}`,
    (seed) =>
      poisson(createRandom(seed), rate, 0, duration).map((at) => ({
        at,
        kind: 'request',
        promptTokens,
        outputTokens,
      })),
  );
}

function stepLoad(options: LoadOptions, rate: number): Load {
  const { duration, promptTokens, outputTokens, seed } = options;
  return openLoad(
    options,
    `step-${rate}`,
    `Step, Poisson ${rate} → ${rate * STEP_FACTOR} → ${rate} requests/s, a third of ${duration} s each, ` +
      `${lengths(options)}, seed ${seed}`,
    (roundSeed) => stepWorkload({ rate, duration, promptTokens, outputTokens, seed: roundSeed }),
  );
}

function traceLoad(
  name: string,
  workload: (options: TraceOptions) => Arrival[],
  options: LoadOptions,
  rate: number,
): Load {
  const { duration, seed } = options;
  const { promptDivisor, outputDivisor } = DIVISORS;
  return openLoad(
    options,
    `${name}-${rate}`,
    `Like Azure's ${name} trace, scaled to a mean of ${rate} requests/s for ${duration} s, ` +
      `prompts ÷ ${promptDivisor}, outputs ÷ ${outputDivisor}, seed ${seed}`,
    (roundSeed) => workload({ rate, duration, seed: roundSeed, ...DIVISORS }),
  );
}

function openLoad(
  { seed, rounds }: LoadOptions,
  name: string,
  title: string,
  workload: (roundSeed: number) => Arrival[],
): Load {
  const arrivals = Array.from({ length: rounds + 1 }, (_, round) => workload(seed + round * ROUND_STRIDE));
  const tokens = arrivals.flat().map((each) => each.promptTokens + each.outputTokens);
  return {
    name,
    title,
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

function longPromptLoad(options: LoadOptions, clients: number): Load {
  const { promptTokens, outputTokens, longPromptTokens } = options;
  const schedule = longPromptWorkload({ clients, promptTokens, outputTokens, longPromptTokens });
  return {
    name: `long-prompt-${clients}`,
    title:
      `A prompt of ${longPromptTokens} tokens arrives while ${plural(clients, 'client')} decode, ` +
      lengths(options),
    size: { clients: clients + 1, tokens: Math.max(promptTokens + outputTokens, longPromptTokens + 64) },
    warmUp: wave(clients, { kind: 'running', promptTokens, outputTokens }),
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
    warmUp: wave(clients, planned),
    schedule: () => ({ type: 'closed', clients, requests: Array<PlannedRequest>(number).fill(planned) }),
    prompts: async (seed, signal) => {
      opened ??= modelText(model, signal).then((text) => rewriter(text, outputTokens));
      return (await opened)(seed);
    },
  };
}

/** One request of every client at once. */
const wave = (clients: number, planned: PlannedRequest): Schedule => ({
  type: 'closed',
  clients,
  requests: Array<PlannedRequest>(clients).fill(planned),
});

const lengths = ({ promptTokens, outputTokens }: LoadOptions): string =>
  `prompt ${promptTokens}, output ${outputTokens}`;

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
