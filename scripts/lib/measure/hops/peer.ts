import { create } from '@bufbuild/protobuf';
import { createHash, randomFillSync } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { MeshConfig } from '../../../../services/lib/config/config.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { CalleeLink, StatusFields } from '../../../../services/lib/mesh/callee-link.js';
import { connect, type CallerLink } from '../../../../services/lib/mesh/caller-link.js';
import type { Identity } from '../../../../services/lib/mesh/identity.js';
import { serveLinks } from '../../../../services/lib/mesh/link-server.js';
import { startMesh } from '../../../../services/lib/mesh/start-mesh.js';
import type { MessageStream } from '../../../../services/lib/mesh/types.js';
import type { Activations } from '../../../../services/lib/model/activations.js';
import { message } from '../../../../services/lib/wire/codec.js';
import {
  frameCost,
  maxRowsPerFrame,
  packFrames,
  unpackFrame,
  type Rows,
} from '../../../../services/lib/wire/frames.js';
import { StatusSchema, type Frame } from '../../../../services/lib/wire/gen/stage_pb.js';

/**
 * One of the two processes of a measured hop, forked by pair.ts, which gives it orders over their IPC channel: the sender
 * hands rows to a link as a stage's delivery does, the receiver takes them as a stage does, up to where they would
 * be scheduled. Both read the machine's monotonic clock, so that one-way times are differences.
 */
export interface Transfers {
  readonly route: Route;
  readonly count: number;
  readonly rows: number;
  /** f16 values of a row. */
  readonly hidden: number;
  /** Rows of one prompt, in chunks; else one row of each of so many sequences. */
  readonly prompt: boolean;
  /** Between an answer and the next transfer, ms: a stage computes meanwhile. */
  readonly pauseMs: number;
}

export type Route = 'dapr' | 'direct';

/** What the parent asks; `digest` is of the last transfer's activations. */
export interface Orders {
  listen(): Promise<number>;
  open(to: {
    readonly route: Route;
    readonly grpc: number;
    readonly http: number;
    readonly app: number;
  }): Promise<void>;
  /** Told to the receiver before the sender begins. */
  expect(transfers: Transfers): void;
  /** When each left, ms. */
  send(transfers: Transfers): Promise<{ times: number[]; digest: string }>;
  /** When each had arrived, ms. */
  arrivals(): { times: number[]; digest: string };
}

const RECEIVER = 'stage-1';
const START_PATIENCE_MS = 30_000;
const ANSWER_PATIENCE_MS = 20_000;
const ATTEMPT_MS = 100;
/** A sidecar finds another by what that one announces, which takes longer than ten seconds where all processors are taken. */
const ATTEMPTS = 200;

/** Different activations that are sent in turn. */
const STEPS = 4;

const plan = { modelDigest: 'hops', precision: 'f32', activations: 'f16', split: [1] };
const identity = (appId: string): Identity => ({
  appId,
  replica: String(process.pid),
  host: hostname(),
  pid: process.pid,
  plan,
});
const status = (): StatusFields => create(StatusSchema);

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const links = new Map<Route, CallerLink>();
let onAnswer: (() => void) | null = null;
let expected: Transfers | null = null;
let arrived = { times: [] as number[], rows: 0, parts: [] as Rows[] };

const orders: Orders = {
  async listen() {
    const ignore = (): void => undefined;
    const server = await serveLinks({
      host: '127.0.0.1',
      port: 0,
      identity: identity(RECEIVER),
      status,
      onLink: ignore,
      onEnd: ignore,
      onMessage: (link, { body }) => {
        if (body.case === 'frame') take(link, body.value);
      },
    });
    return server.port;
  },

  async open({ route, grpc, http, app }) {
    const tokens = { shows: {}, wants: {} };
    const config: MeshConfig =
      route === 'dapr'
        ? { kind: route, daprGrpcPort: grpc, daprHttpPort: http, storeName: 'statestore', ...tokens }
        : { kind: route, registryDirectory: '', ...tokens };
    const mesh = await startMesh(config, AbortSignal.timeout(START_PATIENCE_MS));
    const record = { appId: RECEIVER, replica: '', address: `127.0.0.1:${app}`, draining: false };
    links.set(route, await linkOver(() => mesh.open(record)));
  },

  expect(transfers) {
    expected = transfers;
    arrived = { times: [], rows: 0, parts: [] };
  },

  async send(transfers) {
    const link = links.get(transfers.route)!;
    const times: number[] = [];
    // Made beforehand, for the processor time of making them is no part of a hop.
    const steps = Array.from({ length: STEPS }, () => randomActivations(transfers.rows * transfers.hidden));
    let activations = steps[0]!;
    for (let index = 0; index < transfers.count; index++) {
      activations = steps[index % STEPS]!;
      await delay(transfers.pauseMs);
      const answered = answerWithin(ANSWER_PATIENCE_MS);
      times.push(now());
      for (const frame of packFrames(rowsOf(activations, transfers, index))) link.sendFrame(frame);
      await answered;
    }
    return { times, digest: digestOf([activations]) };
  },

  arrivals() {
    const parts = arrived.parts.map((rows) => ('activations' in rows ? rows.activations : new Uint16Array()));
    return { times: arrived.times, digest: digestOf(parts) };
  },
};

/** A sidecar that has just started may not find the other one yet. */
async function linkOver(open: () => MessageStream): Promise<CallerLink> {
  const events = { onMessage: () => onAnswer?.(), onEnd: () => undefined };
  for (let attempt = 0; ; attempt++) {
    try {
      return await connect(open(), identity('stage-0'), events);
    } catch (error) {
      if (attempt >= ATTEMPTS) throw error;
      await delay(ATTEMPT_MS);
    }
  }
}

/** The receiver's part of `Stage`: take the frame apart, and answer when all rows of the transfer are there. */
function take(link: CalleeLink, frame: Frame): void {
  const { rows, hidden } = expected!;
  const { rows: taken, refused } = unpackFrame(frame, { hidden, activations: 'f16', vocabulary: 1 });
  if (refused.length > 0) throw refused[0]!.reason;
  if (arrived.rows === 0) arrived.parts = [];
  arrived.parts.push(...taken);
  arrived.rows += taken.reduce((sum, { item }) => sum + item.count, 0);
  if (arrived.rows === rows) {
    arrived.times.push(now());
    arrived.rows = 0;
    link.send(message({ case: 'tokens', value: { sampled: [] } }));
  }
  link.consumed(frameCost(frame));
}

/** As an engine leaves them: one array, of which every item has its part. */
function rowsOf(activations: Uint16Array, { rows, hidden, prompt }: Transfers, position: number): Rows[] {
  const chunk = prompt ? maxRowsPerFrame(hidden, 'f16') : 1;
  return Array.from({ length: Math.ceil(rows / chunk) }, (_, index): Rows => {
    const count = Math.min(chunk, rows - index * chunk);
    const from = index * chunk * hidden;
    const item = {
      sequence: prompt ? 'gateway-1a2b3c-0' : `gateway-1a2b3c-${index}`,
      epoch: 1,
      position,
      count,
      logits: 1,
      draft: [],
    };
    return { item, activations: activations.subarray(from, from + count * hidden) };
  });
}

/** Finite, and random but for one bit of sixteen: nothing compresses them. */
function randomActivations(length: number): Uint16Array {
  const values: Uint16Array = randomFillSync(new Uint16Array(length));
  for (let index = 0; index < length; index++) values[index]! &= 0xbfff;
  return values;
}

function digestOf(parts: readonly Activations[]): string {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part as Uint16Array);
  return digest.digest('hex');
}

function answerWithin(ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    onAnswer = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

interface Order {
  readonly name: keyof Orders;
  readonly argument: never;
}

process.on('message', ({ name, argument }: Order) => {
  void Promise.resolve()
    .then((): unknown => orders[name](argument))
    .then(
      (value) => process.send!({ value }),
      (reason: unknown) => process.send!({ error: ServingError.from(reason).message }),
    );
});
process.on('disconnect', () => process.exit());
