import { setTimeout as delay } from 'node:timers/promises';
import type { Identity } from '../../../../services/lib/mesh/identity.js';
import type { Mesh, MessageStream, Registry, ReplicaRecord } from '../../../../services/lib/mesh/types.js';
import { streamPair } from './stream-pair.js';

export const plan = { modelDigest: 'd', precision: 'f32', activations: 'f32', split: [1] };

export const identityOf = (appId: string, replica: string): Identity => ({
  appId,
  replica,
  host: 'here',
  pid: 1,
  plan,
});

/** One that streams are opened to. */
export interface SimulatedReplica {
  readonly appId: string;
  readonly replica: string;
  /** Where it says so, streams may reach it, and nobody looks for it. */
  readonly hidden?: true;
  take(stream: MessageStream): void;
}

interface MeshModel {
  /** Until a stream that is opened has reached somebody, and for a message on it, ms. */
  readonly openMs: number;
  readonly hopMs: number;
  readonly random: () => number;
}

/** A mesh within the process: the services' own links over streams that take their time. */
export class SimulatedMesh implements Mesh {
  readonly kind = 'direct';
  readonly registry: Registry;
  readonly #model: MeshModel;
  readonly #replicas = new Map<string, SimulatedReplica[]>();
  /** As Dapr a replica of the app-id at random, or the one that was asked for. */
  readonly #picks: 'any' | 'asked';
  opened = 0;

  constructor(picks: 'any' | 'asked', model: MeshModel) {
    this.#picks = picks;
    this.#model = model;
    this.registry = {
      list: async (appId) => {
        await delay(model.hopMs);
        const listed = this.#of(appId).filter(({ hidden }) => !hidden);
        return listed.map(({ replica }) => ({ appId, replica, address: '', draining: false }));
      },
      announce: () => Promise.reject(new Error('the replicas of a simulated mesh are there')),
    };
  }

  add(replica: SimulatedReplica): void {
    this.#replicas.set(replica.appId, [...this.#of(replica.appId), replica]);
  }

  open({ appId, replica }: ReplicaRecord): MessageStream {
    this.opened++;
    const { random, openMs } = this.#model;
    const [near, far] = streamPair(this.#carry);
    void delay(openMs).then(() => {
      const all = this.#of(appId);
      const asked = all.find((other) => other.replica === replica);
      const met = this.#picks === 'asked' ? asked : all[Math.floor(random() * all.length)];
      if (met === undefined) far.end();
      else met.take(far);
    });
    return near;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #of(appId: string): SimulatedReplica[] {
    return this.#replicas.get(appId) ?? [];
  }

  readonly #carry = (_bytes: Uint8Array, deliver: () => void): void => {
    setTimeout(deliver, this.#model.hopMs);
  };
}
