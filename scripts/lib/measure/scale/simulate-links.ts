import { create } from '@bufbuild/protobuf';
import { setMaxListeners } from 'node:events';
import {
  accept,
  firstWord,
  type CalleeLink,
  type StatusFields,
} from '../../../../services/lib/mesh/callee-link.js';
import { introduce } from '../../../../services/lib/mesh/identity.js';
import { inviteCallers } from '../../../../services/lib/mesh/invite-callers.js';
import { LinkManager } from '../../../../services/lib/mesh/link-manager.js';
import type { LinkServer } from '../../../../services/lib/mesh/link-server.js';
import type { MessageStream } from '../../../../services/lib/mesh/types.js';
import { message } from '../../../../services/lib/wire/codec.js';
import { StatusSchema } from '../../../../services/lib/wire/gen/stage_pb.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import { identityOf, plan, SimulatedMesh, type SimulatedReplica } from './simulated-mesh.js';
import { VirtualTime } from './virtual-time.js';

/** What it takes to find somebody. */
interface SearchFigures {
  /** Streams that were opened for it. */
  readonly opened: number;
  /** Until it was done, s; null where that took over ten minutes. */
  readonly seconds: number | null;
}

/** How callers find the replicas of an app-id. */
export interface LinkFigures {
  /** One caller all of them, by its own search. */
  readonly all: SearchFigures;
  /** As many callers one that comes, which invites them. */
  readonly newcomer: SearchFigures;
}

const LIMIT_MS = 600_000;
/** Assumed, of a stream through two sidecars of one machine, ms. */
const MODEL = { openMs: 5, hopMs: 1 };

const idle = (): StatusFields => create(StatusSchema);

const nothing = (): void => undefined;

/** By the services' own classes, in a mesh that picks replicas as Dapr does, or as they are asked for. */
export const simulateLinks = async (replicas: number, picks: 'any' | 'asked'): Promise<LinkFigures> => ({
  all: await simulateSearch(replicas, picks),
  newcomer: await simulateNewcomer(replicas, picks),
});

async function simulateSearch(replicas: number, picks: 'any' | 'asked'): Promise<SearchFigures> {
  const time = new VirtualTime();
  const mesh = new SimulatedMesh(picks, { ...MODEL, random: createRandom(replicas) });
  for (let index = 0; index < replicas; index++) mesh.add(calleeOf(index));
  const manager = managerOf('g', mesh);
  try {
    return await search(time, mesh, () => manager.links.length === replicas);
  } finally {
    time.restore();
  }
}

/** There are as many replicas that all callers hold links to already: a stream that meets one of them is a double. */
async function simulateNewcomer(callers: number, picks: 'any' | 'asked'): Promise<SearchFigures> {
  const time = new VirtualTime();
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  try {
    const mesh = new SimulatedMesh(picks, { ...MODEL, random: createRandom(callers) });
    const managers = Array.from({ length: callers }, (_, index) => {
      const replica = nameOf(index);
      const manager = managerOf(replica, mesh);
      const onInvite: LinkManager['invited'] = (stream, invite) => manager.invited(stream, invite);
      const take = (stream: MessageStream): void =>
        firstWord(stream, () => plan, {
          onInvite: (invite) => void onInvite(stream, invite),
          onRefused: nothing,
        });
      mesh.add({ appId: 'gateway', replica, take });
      mesh.add({ appId: 'stage-0', replica, hidden: true, take: (stream) => stream.end() });
      return manager;
    });
    // Every caller has looked once, so that it knows the newcomer for one.
    await time.until(1_000);
    const newcomer = calleeOf(callers);
    mesh.add(newcomer);
    const server = inviting(identityOf(newcomer.appId, newcomer.replica));
    const options = {
      mesh,
      identity: identityOf(newcomer.appId, newcomer.replica),
      server,
      appIds: ['gateway'],
    };
    void inviteCallers(options, stop.signal);
    return await search(time, mesh, () => managers.every(({ links }) => links.length === 1));
  } finally {
    stop.abort();
    time.restore();
  }
}

async function search(time: VirtualTime, mesh: SimulatedMesh, done: () => boolean): Promise<SearchFigures> {
  const [from, opened] = [time.now, mesh.opened];
  await time.until(from + LIMIT_MS, done);
  return { opened: mesh.opened - opened, seconds: done() ? (time.now - from) / 1_000 : null };
}

const managerOf = (replica: string, mesh: SimulatedMesh): LinkManager =>
  new LinkManager({
    mesh,
    identity: identityOf('gateway', replica),
    appId: 'stage-0',
    onMessage: nothing,
    onDown: nothing,
  });

const nameOf = (index: number): string => index.toString(16).padStart(12, '0');

function calleeOf(index: number): SimulatedReplica {
  const [appId, replica] = ['stage-0', nameOf(index)];
  const events = { onLink: nothing, onMessage: nothing, onEnd: nothing };
  return { appId, replica, take: (stream) => accept(stream, identityOf(appId, replica), idle, events) };
}

/** As `serveLinks` invites, without a socket. */
function inviting(identity: ReturnType<typeof identityOf>): Pick<LinkServer, 'invite' | 'isCalledBy'> {
  const callers = new Set<string>();
  return {
    isCalledBy: (replica) => callers.has(replica),
    invite: (stream) =>
      new Promise((resolve) => {
        const onLink = (link: CalleeLink): void => {
          callers.add(link.replica);
          resolve(link);
        };
        const onEnd = ({ replica }: CalleeLink): void => void callers.delete(replica);
        accept(stream, identity, idle, { onLink, onMessage: nothing, onEnd, onRefused: resolve });
        stream.send(message({ case: 'invite', value: introduce(identity, '') }));
      }),
  };
}
