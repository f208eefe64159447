import { create } from '@bufbuild/protobuf';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { firstWord } from '../../../services/lib/mesh/callee-link.js';
import { announcedPlan, type AgreedPlan, type Identity } from '../../../services/lib/mesh/identity.js';
import { inviteCallers, type InviteOptions } from '../../../services/lib/mesh/invite-callers.js';
import { LinkManager } from '../../../services/lib/mesh/link-manager.js';
import { serveLinks, type LinkServer } from '../../../services/lib/mesh/link-server.js';
import type { Mesh, MessageStream, ReplicaRecord } from '../../../services/lib/mesh/types.js';
import { createRandom } from '../../../services/lib/sampling/random.js';
import { StatusSchema } from '../../../services/lib/wire/gen/stage_pb.js';
import { eventually } from '../../support/eventually.js';
import { streamPair } from '../../support/stream-pair.js';

const plan: AgreedPlan = { modelDigest: 'd', precision: 'f32', activations: 'f32', split: [10] };
const identityOf = (appId: string, replica: string, differs: Partial<AgreedPlan> = {}): Identity => ({
  appId,
  replica,
  host: 'h',
  pid: 1,
  plan: { ...plan, ...differs },
});
const status = () => create(StatusSchema);

/** A gateway whose sidecar has not heard of any replica yet: the registry that it reads is empty. */
class DeafCaller {
  readonly record: ReplicaRecord;
  readonly manager: LinkManager;
  readonly refused: string[] = [];
  readonly #identity: Identity;

  constructor(replica: string, differs: Partial<AgreedPlan> = {}) {
    this.#identity = identityOf('gateway', replica, differs);
    const { plan: own } = this.#identity;
    this.record = { appId: 'gateway', replica, address: '', draining: false, plan: announcedPlan(own) };
    this.manager = new LinkManager({
      mesh: {
        kind: 'dapr',
        registry: { list: () => Promise.resolve([]), announce: () => Promise.reject(new Error('no')) },
        open: () => {
          throw new Error('it knows nobody to open a stream to');
        },
        close: () => Promise.resolve(),
      },
      identity: this.#identity,
      appId: 'stage-0',
      onMessage: () => undefined,
      onDown: () => undefined,
    });
  }

  take(stream: MessageStream): void {
    firstWord(stream, () => this.#identity.plan, {
      onInvite: (invite) => void this.manager.invited(stream, invite),
      onRefused: ({ message }) => this.refused.push(message),
    });
  }
}

let server: LinkServer;
let heard: string[];
beforeEach(async () => {
  heard = [];
  server = await serveLinks({
    host: '127.0.0.1',
    port: 0,
    identity: identityOf('stage-0', 'new'),
    status,
    onLink: ({ replica }) => heard.push(`link ${replica}`),
    onMessage: (_link, { body }) => heard.push(`${body.case}`),
    onEnd: ({ replica }) => heard.push(`end ${replica}`),
  });
});
afterEach(() => server.close());

/** A mesh in which whoever opens a stream to an app-id meets one of these, as `choose` says. */
const meshOf = (
  records: () => readonly ReplicaRecord[],
  meet: (stream: MessageStream, wanted: ReplicaRecord) => void,
): Pick<Mesh, 'open' | 'registry'> => ({
  registry: {
    // oxlint-disable-next-line typescript/require-await
    list: async () => [...records()],
    announce: () => Promise.reject(new Error('no')),
  },
  open: (wanted) => {
    const [near, far] = streamPair();
    meet(far, wanted);
    return near;
  },
});
const invite = (
  mesh: Pick<Mesh, 'open' | 'registry'>,
  signal = new AbortController().signal,
  more: Partial<InviteOptions> = {},
) =>
  inviteCallers(
    { mesh, identity: identityOf('stage-0', 'new'), server, appIds: ['gateway'], ...more },
    signal,
  );

const silent: ReplicaRecord = { appId: 'gateway', replica: 's', address: '', draining: false };
const callers = (count: number): DeafCaller[] =>
  Array.from({ length: count }, (_, index) => new DeafCaller(`g${index}`));
const closeAll = (all: readonly DeafCaller[]) => Promise.all(all.map(({ manager }) => manager.close()));

describe('a new replica', () => {
  it.each([1, 2, 10, 40])(
    'is called by each of %i who know nothing of it, as Dapr may choose',
    async (count) => {
      const all = callers(count);
      const random = createRandom(count);
      const mesh = meshOf(
        () => all.map(({ record }) => record),
        (stream) => all[Math.floor(random() * count)]!.take(stream),
      );
      const outcome = await invite(mesh);
      expect(outcome).toMatchObject({ callers: count, missing: 0 });
      for (const { manager } of all) expect(manager.links.map(({ replica }) => replica)).toEqual(['new']);
      // n(1 + 1/2 + … + 1/n) on average; so many only once in a thousand runs.
      const harmonic = Array.from({ length: count }, (_, index) => 1 / (index + 1)).reduce((a, b) => a + b);
      expect(outcome.opens).toBeGreaterThanOrEqual(count);
      expect(outcome.opens).toBeLessThanOrEqual(Math.ceil(count * (harmonic + 7)));
      await closeAll(all);
      await eventually('the ends', () => heard.filter((each) => each.startsWith('end')).length === count);
    },
  );

  it('opens nothing to those that call it already, drain, or serve another plan', async () => {
    const [known, draining, other] = [
      new DeafCaller('known'),
      new DeafCaller('draining'),
      new DeafCaller('other', { split: [12] }),
    ];
    const met: string[] = [];
    const mesh = meshOf(
      () => [known.record, { ...draining.record, draining: true }, other.record],
      (stream, { replica }) => {
        met.push(replica);
        known.take(stream);
      },
    );
    expect(await invite(mesh)).toMatchObject({ callers: 1, missing: 0, opens: 1 });
    expect(await invite(mesh)).toMatchObject({ callers: 1, missing: 0, opens: 0 });
    expect(met).toEqual(['known']);
    await closeAll([known, draining, other]);
  });

  it('is refused by one of another plan, which says why to itself alone', async () => {
    const other = new DeafCaller('other', { precision: 'int8' });
    const troubles: ServingError[] = [];
    const stop = new AbortController();
    const mesh = meshOf(
      // Of a version that does not say its plan.
      () => [{ ...other.record, plan: undefined }],
      (stream) => other.take(stream),
    );
    const inviting = invite(mesh, stop.signal, { onTrouble: (reason) => troubles.push(reason) });
    await eventually('a refusal', () => troubles.length > 0);
    stop.abort();
    expect(await inviting).toMatchObject({ callers: 0, missing: 1 });
    expect(troubles[0]).toMatchObject({ code: 'protocol_mismatch', message: 'not what is served here' });
    expect(other.refused[0]).toBe('stage-0/new has precision f32, not int8');
    expect(heard).toEqual([]);
    await closeAll([other]);
  });

  it('tries ever more rarely where nobody answers, and stops when it is told to', async () => {
    const stop = new AbortController();
    let opens = 0;
    const mesh = meshOf(
      () => [silent],
      (stream) => {
        opens++;
        stream.end();
      },
    );
    const inviting = invite(mesh, stop.signal);
    await eventually('several tries', () => opens >= 4);
    const atFour = performance.now();
    await eventually('another', () => opens >= 5);
    expect(performance.now() - atFour).toBeGreaterThan(200);
    stop.abort();
    expect(await inviting).toMatchObject({ callers: 0, missing: 1 });
  });

  it('goes on where the registry fails for a moment, and tells of it', async () => {
    const one = new DeafCaller('g');
    let fails = 2;
    const troubles: ServingError[] = [];
    const mesh = meshOf(
      () => {
        if (fails-- > 0) throw new ServingError('sidecar_missing', 'the store is away');
        return [one.record];
      },
      (stream) => one.take(stream),
    );
    const outcome = await invite(mesh, undefined, { onTrouble: (reason) => troubles.push(reason) });
    expect(outcome).toMatchObject({ callers: 1, missing: 0, opens: 1 });
    expect(troubles.map(({ message }) => message)).toEqual(['the store is away', 'the store is away']);
    await closeAll([one]);
  });

  it('is called over a link like any other: pinged, drained, and closed by either side', async () => {
    const all = callers(2);
    const mesh = meshOf(
      () => all.map(({ record }) => record),
      (stream, { replica }) => all.find(({ record }) => record.replica === replica)!.take(stream),
    );
    await invite(mesh);
    const [one, other] = all.map(({ manager }) => manager);
    const before = one!.get('new')!.status;
    await eventually('a pong', () => one!.get('new')!.status !== before);
    server.drain();
    await eventually('the notice', () => one!.get('new')!.draining && other!.get('new')!.draining);
    await one!.close();
    await eventually('the end of one', () => heard.includes('end g0'));
    server.close();
    await eventually('the end of the other', () => other!.links.length === 0);
    await other!.close();
  });
});
