import type { SimulatedSize } from './simulate.js';

/** What a mesh must not pass to be of use, and why just there. */
export interface Bound {
  readonly name: string;
  readonly most: number;
  readonly unit: string;
  readonly why: string;
  /** Null where it never came about. */
  readonly of: (size: SimulatedSize) => number | null;
}

export const BOUNDS: readonly Bound[] = [
  {
    name: 'all replicas found by a caller, through Dapr',
    most: 30,
    unit: 's',
    why: 'a caller that restarts is whole again before a pod that takes half a minute to start is',
    of: ({ dapr }) => dapr.all.seconds,
  },
  {
    name: 'a newcomer found by its callers, through Dapr',
    most: 2,
    unit: 's',
    why: 'what a ready replica may wait for its first sequence',
    of: ({ dapr }) => dapr.newcomer.seconds,
  },
  {
    name: 'all replicas found by a caller, by address',
    most: 30,
    unit: 's',
    why: 'as above',
    of: ({ direct }) => direct.all.seconds,
  },
  {
    name: 'living replicas that a reader holds for dead',
    most: 0,
    unit: '',
    why: 'each is lost to the mesh though it works',
    of: ({ registry }) => registry.heldForDead,
  },
  {
    name: 'writes lost for each that is not',
    most: 1,
    unit: '',
    why: 'from there on most of the store works for nothing',
    of: ({ registry }) => registry.conflicts,
  },
  {
    name: 'the store is busy',
    most: 0.5,
    unit: 'of its time',
    why: 'above that waiting grows faster than load, and each app-id adds as much',
    of: ({ registry }) => registry.busy,
  },
  {
    name: 'documents out of and into the store',
    most: 50e6,
    unit: 'B/s',
    why: 'half of a network of 1 Gbit/s',
    of: ({ registry }) => registry.bytes,
  },
  {
    name: 'pings of a layer service',
    most: 0.05,
    unit: 'of a processor',
    why: 'several times what a service takes at rest',
    of: ({ status }) => status.stageShare,
  },
  {
    name: 'pings of a gateway',
    most: 0.2,
    unit: 'of a processor',
    why: 'all its streams share that processor',
    of: ({ status }) => status.gatewayShare,
  },
  {
    name: 'what a gateway remembers of pongs',
    most: 512e6,
    unit: 'B',
    why: 'an eighth of what Node gives a heap',
    of: ({ status }) => status.gatewayBytes,
  },
  {
    name: 'a route for one request',
    most: 5,
    unit: 'ms',
    why: 'tokens of all streams wait meanwhile; a step of a stage takes as long',
    of: ({ routing }) => routing.chooseMs,
  },
  {
    name: 'the look at all routes once a second',
    most: 20,
    unit: 'ms',
    why: 'tokens of all streams wait meanwhile; a round takes several times as long',
    of: ({ routing }) => routing.tendMs,
  },
];
