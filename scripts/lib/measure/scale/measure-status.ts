import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create } from '@bufbuild/protobuf';
import { decodeMessage, encodeMessage, message } from '../../../../services/lib/wire/codec.js';
import { StatusSchema, type Message, type Status } from '../../../../services/lib/wire/gen/stage_pb.js';
import { enginesOf } from '../../../../services/stage/scheduling/parallel-steps.js';
import { sum } from '../figures/statistics.js';
import { medianMs } from './median-ms.js';

/** What links say of themselves, from the first stage's side and the gateway's. */
export interface StatusFigures {
  /** One pong of a replica of the first stage, bytes. */
  readonly pongBytes: number;
  /** Memory of what the gateway remembers of all pongs, bytes. */
  readonly gatewayBytes: number;
  /** Of a processor, for the pings of all links of a replica of the second stage, and of the gateway. */
  readonly stageShare: number;
  readonly gatewayShare: number;
}

export interface Size {
  readonly stages: number;
  /** Of each stage. */
  readonly replicas: number;
}

const PING_SECONDS = 2;

/** What its pongs cost, by the services' own codec. */
export function measureStatus(size: Size): StatusFigures {
  const { stages, replicas } = size;
  const pongs = Array.from({ length: stages }, (_, stage) => pongOf(size, stage));
  const encoded = pongs.map(encodeMessage);
  const decodeMs = encoded.map((bytes) => medianMs(() => decodeMessage(bytes)));
  // The second stage is called by the first, and calls the third.
  const [second, third] = [Math.min(1, stages - 1), Math.min(2, stages - 1)];
  const perPing = (medianMs(() => encodeMessage(pongs[second]!)) + decodeMs[third]!) / 1_000 / PING_SECONDS;
  return {
    pongBytes: encoded[0]!.length,
    gatewayBytes: sum(Array.from({ length: stages }, (_, stage) => replicas * heapOf(size, stage))),
    stageShare: replicas * perPing,
    gatewayShare: (replicas * sum(decodeMs)) / 1_000 / PING_SECONDS,
  };
}

/** As `Stage.status` makes it: of a replica that holds links to all of the next stage. */
export function statusOf({ stages, replicas }: Size, stage: number): Status {
  const of = (next: number): string[] =>
    next < stages ? Array.from({ length: replicas }, (_, index) => nameOf(next, index)) : [];
  const engineOf = (replica: string) => ({
    replica,
    owner: 'host-0123456789',
    processors: 2,
    threads: 2,
    meanStepSeconds: 0.0123456789,
    hopSeconds: 0.000123456789,
  });
  const later = Array.from({ length: stages - stage - 1 }, (_, index) => stage + 1 + index);
  return create(StatusSchema, {
    kvUsed: 4_096,
    kvCapacity: 131_072,
    engine: engineOf(`stage-${stage}/0123456789ab`),
    nextReplicas: of(stage + 1),
    enginesAfter: enginesOf([
      { enginesAfter: later.flatMap((next) => of(next).map((name) => engineOf(`stage-${next}/${name}`))) },
    ]),
  });
}

const pongOf = (size: Size, stage: number): Message =>
  message({ case: 'pong', value: { nonce: 1, status: statusOf(size, stage) } });

/** What a decoded status takes up of the heap, bytes. */
function heapOf(size: Size, stage: number): number {
  const bytes = encodeMessage(pongOf(size, stage));
  const copies = Math.max(4, Math.min(1_000, Math.ceil(4e6 / bytes.length)));
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const held = Array.from({ length: copies }, () => decodeMessage(bytes));
  collectGarbage();
  return (process.memoryUsage().heapUsed - before) / held.length;
}

export const nameOf = (stage: number, index: number): string =>
  (stage * 10_000 + index).toString(16).padStart(12, '0');

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
