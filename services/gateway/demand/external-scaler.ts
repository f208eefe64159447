import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { ServingError } from '../../lib/errors/serving-error.js';
import {
  GetMetricSpecResponseSchema,
  GetMetricsRequestSchema,
  GetMetricsResponseSchema,
  IsActiveResponseSchema,
  ScaledObjectRefSchema,
  type GetMetricsRequest,
  type GetMetricsResponse,
  type GetMetricSpecResponse,
  type IsActiveResponse,
  type ScaledObjectRef,
} from '../../lib/wire/gen/externalscaler_pb.js';
import type { DemandMeter } from './demand-meter.js';

const METRIC = 'demanded_replicas';
/** Of what is asked: a name or two. */
const MAX_MESSAGE_BYTES = 64 << 10;
/** KEDA holds one for each stage. */
const MAX_STREAMS = 256;
/** Between two looks whether a stream is to be told something. */
const LOOK_MS = 250;

/** Of one model's stages. */
type Demand = Pick<DemandMeter, 'demanded' | 'has' | 'active'>;

type ActiveStream = grpc.ServerWritableStream<ScaledObjectRef, IsActiveResponse>;

export interface ExternalScaler {
  readonly port: number;
  /** Ends all calls. */
  close(): void;
}

/**
 * Serves KEDA's `externalscaler.ExternalScaler` on `host:port` (port 0: a free one): the number of `layermesh_demanded_replicas`,
 * held against 1 a replica, and whether anything of its model runs or waits, which is when a stage at zero is started. A ScaledObject is about
 * the stage in its trigger's metadata, else about the one that it is named like; of any other it is told NOT_FOUND. Throws
 * `port_in_use`.
 */
export async function serveExternalScaler(
  host: string,
  port: number,
  ...demands: readonly Demand[]
): Promise<ExternalScaler> {
  /** With what each is about, and was last told. */
  const streams = new Map<ActiveStream, { readonly demand: Demand; readonly told: boolean }>();
  const meant = (ref: ScaledObjectRef | undefined): { stage: string; demand: Demand } => {
    const stage = ref?.scalerMetadata['stage'] ?? ref?.name ?? '';
    const demand = demands.find((each) => each.has(stage));
    if (demand !== undefined) return { stage, demand };
    throw refusal(
      grpc.status.NOT_FOUND,
      `there is no stage "${stage.slice(0, 64)}": metadata.stage must name one`,
    );
  };
  const tell = (): void => {
    for (const [stream, { demand, told }] of streams) {
      const { active } = demand;
      // Who takes nothing is told the last word once it does.
      if (stream.writableNeedDrain || told === active) continue;
      streams.set(stream, { demand, told: active });
      stream.write(create(IsActiveResponseSchema, { result: active }));
    }
  };

  const server = new grpc.Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  server.addService(SERVICE, {
    isActive: unary(({ request }: { request: ScaledObjectRef }): IsActiveResponse => {
      return create(IsActiveResponseSchema, { result: meant(request).demand.active });
    }),
    streamIsActive: (stream: ActiveStream): void => {
      let demand: Demand;
      try {
        ({ demand } = meant(stream.request));
        if (streams.size >= MAX_STREAMS) {
          throw refusal(grpc.status.RESOURCE_EXHAUSTED, `there are ${MAX_STREAMS} streams already`);
        }
      } catch (error) {
        stream.emit('error', error);
        return;
      }
      for (const end of ['cancelled', 'error', 'close']) stream.on(end, () => streams.delete(stream));
      streams.set(stream, { demand, told: demand.active });
      stream.write(create(IsActiveResponseSchema, { result: demand.active }));
    },
    getMetricSpec: unary(({ request }: { request: ScaledObjectRef }): GetMetricSpecResponse => {
      meant(request);
      const spec = { metricName: METRIC, targetSize: 1n, targetSizeFloat: 1 };
      return create(GetMetricSpecResponseSchema, { metricSpecs: [spec] });
    }),
    getMetrics: unary(({ request }: { request: GetMetricsRequest }): GetMetricsResponse => {
      const { stage, demand } = meant(request.scaledObjectRef);
      if (request.metricName !== METRIC) {
        throw refusal(grpc.status.NOT_FOUND, `the only metric is ${METRIC}`);
      }
      // Before anything is known of a stage, what is asked of it needs one replica.
      const replicas = demand.demanded().get(stage) ?? Number(demand.active);
      const value = {
        metricName: METRIC,
        metricValue: BigInt(Math.ceil(replicas)),
        metricValueFloat: replicas,
      };
      return create(GetMetricsResponseSchema, { metricValues: [value] });
    }),
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, grpc.ServerCredentials.createInsecure(), (cause, actual) => {
      if (cause === null) resolve(actual);
      else reject(new ServingError('port_in_use', `cannot listen on ${host}:${port}`, { cause }));
    });
  });
  const telling = setInterval(tell, LOOK_MS).unref();
  return {
    port: bound,
    close: () => {
      clearInterval(telling);
      server.forceShutdown();
    },
  };
}

const refusal = (code: grpc.status, details: string): Error & Partial<grpc.StatusObject> =>
  Object.assign(new Error(details), { code, details });

/** A call with one answer, or with the refusal that `answer` throws. */
const unary =
  <Asked, Answer>(
    answer: (call: { readonly request: Asked }) => Answer,
  ): grpc.handleUnaryCall<Asked, Answer> =>
  (call, callback) => {
    try {
      callback(null, answer(call));
    } catch (error) {
      callback(error as grpc.ServiceError);
    }
  };

const method = <Asked extends DescMessage, Answer extends DescMessage>(
  name: string,
  asked: Asked,
  answer: Answer,
  responseStream = false,
): grpc.MethodDefinition<MessageShape<Asked>, MessageShape<Answer>> => ({
  path: `/externalscaler.ExternalScaler/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: (message) => Buffer.from(toBinary(asked, message)),
  requestDeserialize: (bytes) => fromBinary(asked, bytes),
  responseSerialize: (message) => Buffer.from(toBinary(answer, message)),
  responseDeserialize: (bytes) => fromBinary(answer, bytes),
});

export const SERVICE = {
  isActive: method('IsActive', ScaledObjectRefSchema, IsActiveResponseSchema),
  streamIsActive: method('StreamIsActive', ScaledObjectRefSchema, IsActiveResponseSchema, true),
  getMetricSpec: method('GetMetricSpec', ScaledObjectRefSchema, GetMetricSpecResponseSchema),
  getMetrics: method('GetMetrics', GetMetricsRequestSchema, GetMetricsResponseSchema),
};
