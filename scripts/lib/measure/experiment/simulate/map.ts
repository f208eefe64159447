import { ServingError } from '../../../../../services/lib/errors/serving-error.js';
import { deviceProfile } from '../../../../../services/lib/engine/timed/device-profile.js';
import type { Arm } from '../arm.js';
import { split, whole } from '../fleets.js';
import { CONTEXTS } from '../settings.js';
import { SERVER_LIMITS } from '../scenario.js';
import type { Lengths } from '../../loads/share-gpt.js';
import { type Hop, hopOf, MESH_HOPS } from './hop.js';
import { type Knee, kneeOf } from './knee.js';
import { int8On } from './stage-model.js';

/**
 * One place on the map of when to split, as it was simulated: a way to serve a model, on one kind of device, for one
 * length of request.
 */
export interface MapCell {
  /** Such as `llama-2-13b`. */
  readonly shape: string;
  /** Such as `a100-40g`. */
  readonly device: string;
  readonly memoryGB: number;
  /** `whole`, `split-2`, `split-4` and so on. */
  readonly arm: string;
  /** Each on a device of its own; 1 of the whole model. */
  readonly stages: number;
  /** Of an uncontended hop, milliseconds; 0 of the whole model, which stands once and not for each hop. */
  readonly hopMs: number;
  /** What has such a hop, such as `direct` or `Dapr`; empty of the whole model. */
  readonly hopName: string;
  /** Tokens of each request; of a distribution, their means. */
  readonly prompt: number;
  readonly output: number;
  /** Requests a second and device at which nine of ten keep the limits `server`; 0 where it does not fit, or keeps them at no rate. */
  readonly kneePerDevice: number;
  /** Output tokens at the knee. */
  readonly tokensPerDeviceSecond: number;
  /** Medians at a twentieth of the knee; null where it does not fit. */
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
  /** `kneePerDevice` over that of the whole model on the same device; null where that does not fit. */
  readonly ratioToWhole: number | null;
  /**
   * `kneePerDevice` of the whole model on an a100-80g over this one: where an a100-80g costs more times as much as this
   * device, this is the cheaper way. Null where one of them does not fit.
   */
  readonly breakEvenPriceRatio: number | null;
  /** What the modelled step times were multiplied by: 1, and 0.8 and 1.2 to see what depends on them. */
  readonly scale: number;
}

/** The arm that the others are compared with. */
export const WHOLE = 'whole';
/** A reference, which this software cannot serve on a GPU: the whole model with weights of 8 bits. */
const WHOLE_INT8 = 'whole, int8';

/** A device that the others are priced against. */
const PRICED = 'a100-80g';

interface NamedHop {
  readonly name: string;
  readonly hop: Hop;
}

/** Of the hops of our own meshes. */
export const HOP_NAMES: Readonly<Record<Arm['mesh'], string>> = { direct: 'direct', dapr: 'Dapr' };
const MESHES = (['direct', 'dapr'] as const).map((mesh): NamedHop => {
  return { name: HOP_NAMES[mesh], hop: MESH_HOPS[mesh] };
});
/** And of any mesh, by what a hop of it takes. */
const HOPS: readonly NamedHop[] = [...MESHES, ...[3, 10].map((ms) => ({ name: '', hop: hopOf(ms) }))];

/** One model on one kind of device, whole and cut in so many stages, each on its own, for requests of one length. */
export interface Place {
  readonly shape: string;
  readonly device: string;
  readonly cuts: readonly number[];
  readonly lengths: Lengths;
  readonly hops: readonly NamedHop[];
  readonly scale: number;
}

/** From the least memory to the most. */
const THIRTEEN = ['l4', 'a100-40g', 'a40', 'l40s', 'a100-80g', 'h100-80g'].flatMap((device): Place[] => {
  const place = { shape: 'llama-2-13b', device, cuts: [2, 4] };
  return [
    ...Object.values(CONTEXTS).map((lengths) => ({ ...place, lengths, hops: HOPS, scale: 1 })),
    ...[0.8, 1.2].map((scale) => ({ ...place, lengths: CONTEXTS.middle, hops: MESHES, scale })),
  ];
});

/** What a reader asks for who has another model: 8B that fits a device, 70B that fits none. */
const OTHERS: readonly Place[] = [
  { shape: 'llama-3-8b', device: 'l4', cuts: [2, 4] },
  { shape: 'llama-3-8b', device: 'a100-80g', cuts: [2, 4] },
  { shape: 'llama-2-70b', device: 'l4', cuts: [8] },
  { shape: 'llama-2-70b', device: 'h100-80g', cuts: [2, 4] },
].map((place) => ({ ...place, lengths: CONTEXTS.middle, hops: MESHES, scale: 1 }));

/** All of the map. */
export const PLACES: readonly Place[] = [...THIRTEEN, ...OTHERS];

export const nameOfPlace = ({ shape, device, lengths: { prompt, output }, scale }: Place): string =>
  `${shape} on ${device}, ${prompt}+${output}, times ${scale}`;

/** The cells of one place, without their prices: up to a minute of computing. Whatever does not fit carries nothing. */
export function simulatePlace({ shape, device, cuts, lengths, hops, scale }: Place): MapCell[] {
  const { prompt, output } = lengths;
  const at = (arm: Arm, { hop }: NamedHop): Knee | null =>
    kneeOrNull(arm, { promptTokens: prompt, outputTokens: output }, hop, scale);
  const [first] = hops as [NamedHop];
  const base = at(whole(device, 1, { shape }), first);
  const int8 = at(whole(int8On(device), 1, { shape }), first);
  const cell = (arm: string, stages: number, { name, hop }: NamedHop, knee: Knee | null): MapCell => ({
    shape,
    device,
    memoryGB: deviceProfile(device).memoryBytes / 2 ** 30,
    arm,
    stages,
    hopMs: hop.baseMs,
    hopName: name,
    prompt,
    output,
    kneePerDevice: (knee?.rate ?? 0) / stages,
    tokensPerDeviceSecond: knee?.tokensPerDevice ?? 0,
    ttftMs: knee?.ttft ?? null,
    tpotMs: knee?.tpot ?? null,
    ratioToWhole: base === null || base.rate === 0 ? null : (knee?.rate ?? 0) / stages / base.rate,
    breakEvenPriceRatio: null,
    scale,
  });
  const none: NamedHop = { name: '', hop: { baseMs: 0, msPerMB: 0 } };
  return [
    cell(WHOLE, 1, none, base),
    ...hops.flatMap((hop) => [
      ...cuts.map((stages) =>
        cell(`split-${stages}`, stages, hop, at(split(stages, device, 1, { shape }), hop)),
      ),
      // Without hops it is the same whatever they take.
      cell(WHOLE_INT8, 1, hop, int8),
    ]),
  ];
}

/** Of all places together. */
export const withPrices = (cells: readonly MapCell[]): MapCell[] =>
  cells.map((cell) => withPrice(cell, cells));

function kneeOrNull(arm: Arm, lengths: Parameters<typeof kneeOf>[1], hop: Hop, scale: number): Knee | null {
  try {
    return kneeOf(arm, lengths, { hop, scale, level: SERVER_LIMITS });
  } catch (error) {
    if (ServingError.from(error).code !== 'invalid_config') throw error;
    return null;
  }
}

/** How many times the price of such a device an A100 of 80 GB may cost, that serves the model whole, for a request to be as dear. */
function withPrice(cell: MapCell, cells: readonly MapCell[]): MapCell {
  const base = cells.find(
    (other) =>
      other.device === PRICED &&
      other.arm === WHOLE &&
      other.shape === cell.shape &&
      other.prompt === cell.prompt &&
      other.scale === cell.scale,
  );
  if (!base || base.kneePerDevice === 0 || cell.kneePerDevice === 0) return cell;
  return { ...cell, breakEvenPriceRatio: base.kneePerDevice / cell.kneePerDevice };
}
