import { create } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  SERVICE,
  serveExternalScaler,
  type ExternalScaler,
} from '../../../../services/gateway/demand/external-scaler.js';
import {
  GetMetricsRequestSchema,
  ScaledObjectRefSchema,
  type GetMetricsResponse,
  type GetMetricSpecResponse,
  type IsActiveResponse,
} from '../../../../services/lib/wire/gen/externalscaler_pb.js';
import { eventually } from '../../../support/eventually.js';

const ref = (name: string, scalerMetadata: Record<string, string> = {}) =>
  create(ScaledObjectRefSchema, { name, namespace: 'mesh', scalerMetadata });

type Unary = (request: unknown, answer: (error: grpc.ServiceError | null, value: never) => void) => void;

describe("KEDA's external scaler", () => {
  let demanded: Map<string, number>;
  let active: boolean;
  let scaler: ExternalScaler;
  let client: grpc.Client & Record<string, unknown>;

  beforeEach(async () => {
    demanded = new Map([['stage-0', 2.25]]);
    active = false;
    scaler = await serveExternalScaler('127.0.0.1', 0, {
      demanded: () => demanded,
      has: (stage) => /^stage-[01]$/.test(stage),
      get active() {
        return active;
      },
    });
    const Client = grpc.makeGenericClientConstructor(SERVICE, 'ExternalScaler');
    client = new Client(`127.0.0.1:${scaler.port}`, grpc.credentials.createInsecure());
  });
  afterEach(() => {
    client.close();
    scaler.close();
  });

  const call = <Answer>(method: keyof typeof SERVICE, request: unknown): Promise<Answer> =>
    new Promise((resolve, reject) => {
      (client[method] as Unary).call(client, request, (error, value) =>
        error ? reject(error) : resolve(value),
      );
    });
  const metricOf = async (name: string, metricName = 'demanded_replicas', metadata = {}) => {
    const request = create(GetMetricsRequestSchema, { scaledObjectRef: ref(name, metadata), metricName });
    return (await call<GetMetricsResponse>('getMetrics', request)).metricValues;
  };
  const stream = (
    request: unknown,
  ): {
    readonly told: boolean[];
    readonly call: grpc.ClientReadableStream<IsActiveResponse>;
    error?: grpc.ServiceError;
  } => {
    const opened = (
      client['streamIsActive'] as (request: unknown) => grpc.ClientReadableStream<IsActiveResponse>
    ).call(client, request);
    const seen: ReturnType<typeof stream> = { told: [], call: opened };
    opened.on('data', ({ result }: IsActiveResponse) => seen.told.push(result));
    opened.on('error', (error: grpc.ServiceError) => (seen.error = error));
    return seen;
  };

  it('tells what the metric tells, against one a replica', async () => {
    const [spec] = (await call<GetMetricSpecResponse>('getMetricSpec', ref('stage-0'))).metricSpecs;
    expect(spec).toMatchObject({ metricName: 'demanded_replicas', targetSize: 1n, targetSizeFloat: 1 });
    expect(await metricOf('stage-0')).toMatchObject([
      { metricName: 'demanded_replicas', metricValue: 3n, metricValueFloat: 2.25 },
    ]);
    // Under any name of the ScaledObject, where its metadata name the stage.
    expect(await metricOf('mine', 'demanded_replicas', { stage: 'stage-0' })).toHaveLength(1);
  });

  it('tells of each model whether it is needed itself', async () => {
    const other = {
      demanded: () => new Map(),
      has: (stage: string) => stage === 'qwen-stage-0',
      active: true,
    };
    const both = await serveExternalScaler(
      '127.0.0.1',
      0,
      { demanded: () => demanded, has: (stage) => stage === 'stage-0', active: false },
      other,
    );
    client.close();
    const Client = grpc.makeGenericClientConstructor(SERVICE, 'ExternalScaler');
    client = new Client(`127.0.0.1:${both.port}`, grpc.credentials.createInsecure());
    const isActive = async (stage: string) => (await call<IsActiveResponse>('isActive', ref(stage))).result;
    expect([await isActive('stage-0'), await isActive('qwen-stage-0')]).toEqual([false, true]);
    expect((await metricOf('qwen-stage-0'))[0]).toMatchObject({ metricValue: 1n });
    both.close();
  });

  it('wants one replica of a stage of which nothing is known while anything waits', async () => {
    expect((await metricOf('stage-1'))[0]).toMatchObject({ metricValue: 0n });
    active = true;
    expect((await metricOf('stage-1'))[0]).toMatchObject({ metricValue: 1n, metricValueFloat: 1 });
  });

  it('is active while anything runs or waits, and says so at once to who listens', async () => {
    const seen = stream(ref('stage-1'));
    await eventually('the first word', () => seen.told.length === 1);
    expect((await call<IsActiveResponse>('isActive', ref('stage-1'))).result).toBe(false);
    active = true;
    await eventually('the second', () => seen.told.length === 2);
    expect((await call<IsActiveResponse>('isActive', ref('stage-1'))).result).toBe(true);
    active = false;
    await eventually('the third', () => seen.told.length === 3);
    expect(seen.told).toEqual([false, true, false]);
    seen.call.cancel();
  });

  it.each(['stage-7', 'gateway', '', '__proto__', 'x'.repeat(10_000)])(
    'knows no stage %.20j, and goes on',
    async (name) => {
      const refused = { code: grpc.status.NOT_FOUND };
      await expect(call('isActive', ref(name))).rejects.toMatchObject(refused);
      await expect(call('getMetricSpec', ref(name))).rejects.toMatchObject(refused);
      await expect(metricOf(name)).rejects.toMatchObject(refused);
      const seen = stream(ref(name));
      await eventually('a refusal', () => seen.error !== undefined);
      expect(seen.error).toMatchObject(refused);
      expect(seen.error!.details.length).toBeLessThan(200);
      await expect(metricOf('stage-0', 'other')).rejects.toMatchObject(refused);
      await expect(call('getMetrics', create(GetMetricsRequestSchema, {}))).rejects.toMatchObject(refused);
      expect(await metricOf('stage-0')).toHaveLength(1);
    },
  );

  it('refuses what is too large, or no message', async () => {
    const large = ref('stage-0', { stage: 'y'.repeat(100_000) });
    await expect(call('isActive', large)).rejects.toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
    const garbage = new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/externalscaler.ExternalScaler/IsActive',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.from([0x0a, 0xff, 0xff]),
        (error, value) => (error ? reject(error) : resolve(value)),
      );
    });
    await expect(garbage).rejects.toMatchObject({ code: expect.any(Number) as number });
    expect(await metricOf('stage-0')).toHaveLength(1);
  });

  it('holds so many streams and no more, and takes others as they go', async () => {
    const seen = Array.from({ length: 300 }, () => stream(ref('stage-0')));
    await eventually('an answer to each', () => seen.every(({ told, error }) => told.length > 0 || error));
    const refused = seen.filter(({ error }) => error !== undefined);
    expect(refused).toHaveLength(44);
    expect(refused[0]!.error).toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
    for (const { call: opened } of seen) opened.cancel();
    await eventually('room', async () => {
      const next = stream(ref('stage-0'));
      await eventually('an answer', () => next.told.length > 0 || next.error !== undefined);
      next.call.cancel();
      return next.told.length > 0;
    });
  });

  it('queues nothing for one that does not read', async () => {
    const slow = stream(ref('stage-0'));
    const quick = stream(ref('stage-0'));
    await eventually('both', () => slow.told.length === 1 && quick.told.length === 1);
    slow.call.pause();
    for (let turn = 0; turn < 4; turn++) {
      active = !active;
      await eventually('the quick one', () => quick.told.at(-1) === active);
    }
    slow.call.resume();
    await eventually('the last word', () => slow.told.at(-1) === active);
    expect(quick.told).toHaveLength(5);
    for (const each of [slow, quick]) each.call.cancel();
  });

  it('ends its streams when it closes, and says when a port is taken', async () => {
    const seen = stream(ref('stage-0'));
    await eventually('the first word', () => seen.told.length === 1);
    const nothing = { demanded: () => demanded, has: () => true, active: false };
    await expect(serveExternalScaler('127.0.0.1', scaler.port, nothing)).rejects.toMatchObject({
      code: 'port_in_use',
    });
    scaler.close();
    await eventually('the end', () => seen.error !== undefined);
  });
});
