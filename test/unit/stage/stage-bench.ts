import { trace } from '@opentelemetry/api';
import { create } from '@bufbuild/protobuf';
import type { ServingError } from '../../../services/lib/errors/serving-error.js';
import { accept } from '../../../services/lib/mesh/callee-link.js';
import { connect, type CallerLink } from '../../../services/lib/mesh/caller-link.js';
import type { Identity } from '../../../services/lib/mesh/identity.js';
import { message, type BodyOf, type MessageCase } from '../../../services/lib/wire/codec.js';
import { packFrames, type Rows } from '../../../services/lib/wire/frames.js';
import {
  SamplingSchema,
  StatusSchema,
  type Message,
  type Status,
} from '../../../services/lib/wire/gen/stage_pb.js';
import { createStageMetrics } from '../../../services/stage/accounts/metrics.js';
import { PlainScheduler } from '../../../services/stage/scheduling/scheduler.js';
import { Stage, type StageOptions } from '../../../services/stage/stage.js';
import { dividePart } from '../../../services/stage/step/part.js';
import { streamPair } from '../../support/stream-pair.js';

const nothing = (): number => 0;
const metrics = createStageMetrics(
  { stage: 'stage', layers: '0-0' },
  { queueDepth: nothing, sequences: nothing, kvUsedRatio: nothing },
);

/** A stage as `start-stage` makes one; `next: null` makes a head. */
export function stageWith(options: Pick<StageOptions, 'engine' | 'next'> & Partial<StageOptions>): Stage {
  return new Stage({
    labels: { index: 0, layers: '0-0', replica: 'me' },
    rowsIn: { hidden: null, activations: 'f32', vocabulary: 1_000 },
    compute: { owner: 'here', processors: 2, threads: 2 },
    aloneThreads: 2,
    scheduler: new PlainScheduler({ maxRows: 8, maxSequences: 4 }, dividePart),
    metrics,
    tracer: trace.getTracer('test'),
    ...options,
  });
}

export const identityOf = (appId: string, replica: string): Identity => ({
  appId,
  replica,
  host: 'here',
  pid: 1,
  plan: { modelDigest: 'd', precision: 'f32', activations: 'f32', split: [] },
});

/** What came over a link, and how to look at it. */
export class Inbox {
  readonly messages: Message[] = [];

  all<Case extends MessageCase>(wanted: Case): BodyOf<Case>[] {
    return this.messages.flatMap(({ body }) => (body.case === wanted ? [body.value as BodyOf<Case>] : []));
  }

  get cases(): (string | undefined)[] {
    return this.messages.map(({ body }) => body.case);
  }
}

export interface Caller {
  readonly link: CallerLink;
  readonly inbox: Inbox;
  /** What it was told unasked. */
  readonly news: Status[];
  readonly ended: Promise<ServingError>;
}

/** A link that somebody opens to the stage. */
export async function callerOf(stage: Stage, appId: string, replica: string): Promise<Caller> {
  const [near, far] = streamPair();
  accept(far, identityOf('stage-0', 'me'), () => stage.status(), {
    onLink: (link) => stage.onCaller(link),
    onMessage: (link, received) => stage.onCallerMessage(link, received),
    onEnd: (link) => stage.onCallerEnd(link),
  });
  const inbox = new Inbox();
  let end: (reason: ServingError) => void;
  const ended = new Promise<ServingError>((resolve) => (end = resolve));
  const news: Status[] = [];
  const link = await connect(near, identityOf(appId, replica), {
    onMessage: (_link, received) => inbox.messages.push(received),
    onEnd: (_link, reason) => end(reason),
    onNews: ({ status }) => news.push(status),
  });
  return { link, inbox, news, ended };
}

export interface NextStage {
  /** For the stage under test. */
  readonly links: NonNullable<StageOptions['next']>;
  readonly inbox: Inbox;
  send(body: Parameters<typeof message>[0]): void;
  end(): void;
}

/** A replica of the next stage, which grants `creditBytes` and only listens. */
export async function nextStage(
  stage: () => Stage,
  { replica = 'next', creditBytes = 8 << 20 } = {},
): Promise<NextStage> {
  const [near, far] = streamPair();
  const inbox = new Inbox();
  far.listen({
    onMessage: (received) => {
      const { body } = received;
      const welcome = { appId: 'stage-1', replica, creditBytes, status: create(StatusSchema) };
      if (body.case === 'hello') far.send(message({ case: 'welcome', value: welcome }));
      else if (body.case !== 'ping') inbox.messages.push(received);
    },
    onEnd: () => undefined,
  });
  const link = await connect(near, identityOf('stage-0', 'me'), {
    onMessage: (from, received) => stage().onNextMessage(from, received),
    onEnd: (ended) => stage().onNextEnd(ended),
    onRoom: () => stage().wake(),
  });
  return {
    links: {
      get links() {
        return link.alive ? [link] : [];
      },
      get: (wanted) => (wanted === replica ? link : undefined),
    },
    inbox,
    send: (body) => far.send(message(body)),
    end: () => far.end(),
  };
}

/** An `Open` over the route `me`, `next`, asked by the gateway `g`. */
export const openOf = (
  sequence: string,
  epoch = 1,
  route = ['me', 'next'],
  prefix: string[] = [],
  maxLength = 20,
): Message =>
  message({
    case: 'open',
    value: {
      sequence,
      epoch,
      route,
      gateway: 'g',
      maxLength,
      sampling: create(SamplingSchema),
      prefix,
      cachedBlocks: prefix.length,
    },
  });

export const closeOf = (sequence: string, epoch = 1, prefix: string[] = []): Message =>
  message({ case: 'close', value: { sequence, epoch, prefix } });

/** A sequence's token ids as rows of a frame. */
export const tokensOf = (
  sequence: string,
  position: number,
  tokens: number[],
  { epoch = 1, logits = 0, draft = [] as number[] } = {},
): Rows => ({ item: { sequence, epoch, position, count: tokens.length, logits, draft }, tokens });

/** All rows as one frame. */
export const frameOf = (...rows: Rows[]) => packFrames(rows)[0]!;
