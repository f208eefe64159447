import { ServingError } from '../../../../../services/lib/errors/serving-error.js';
import { LIMITS } from '../scenario.js';
import { type EvenArm, evenArm } from './arms.js';
import { type Hop, hopOf, MESH_HOPS } from './hop.js';
import { type Knee, kneeOf, type Lengths } from './knee.js';
import { int8On } from './stage-model.js';

/** One question of the map: what do so many devices carry that serve a model whole, or cut into stages? All is plain data. */
export interface Cell {
  readonly shape: string;
  readonly device: string;
  /** In all; equal stages share them. */
  readonly devices: number;
  /** 1: whole. */
  readonly stages: number;
  /** With weights of 8 bits: a reference, which this software cannot serve on a GPU. */
  readonly isInt8: boolean;
  readonly hop: string;
  readonly lengths: Lengths;
  readonly limit: keyof typeof LIMITS;
  /** Of the cost model's times. */
  readonly scale: number;
}

/** A cell with its answer; null where a stage does not fit its device. */
export interface MapPoint extends Cell {
  readonly knee: Knee | null;
}

/** By name: those of the meshes as they were measured, and of any mesh by its milliseconds. */
export const HOPS: Readonly<Record<string, Hop>> = {
  ...MESH_HOPS,
  ...Object.fromEntries([0.5, 1.5, 3, 5, 10].map((ms) => [`${ms} ms`, hopOf(ms)])),
};

export const LENGTHS: readonly Lengths[] = [312, 1_000, 2_200].map((promptTokens) => ({
  promptTokens,
  outputTokens: 200,
}));

/** From the least memory to the most. */
export const DEVICES = ['l4', 'a100-40g', 'a40', 'l40s', 'a100-80g', 'h100-80g'] as const;
export const SCALES = [0.8, 1, 1.2] as const;

type Base = Pick<Cell, 'shape' | 'device' | 'devices'>;

/** The whole model, with 8 bits too, and cut in any way that shares so many devices evenly. */
const cutsOf = (base: Base, stages: readonly number[]): Pick<Cell, keyof Base | 'stages' | 'isInt8'>[] => [
  { ...base, stages: 1, isInt8: false },
  { ...base, stages: 1, isInt8: true },
  ...stages.map((each) => ({ ...base, stages: each, isInt8: false })),
];

const THIRTEEN = DEVICES.flatMap((device) => cutsOf({ shape: 'llama-2-13b', device, devices: 4 }, [2, 4]));

/** What a reader asks for who has another model: 8B that fits a device, 70B that fits none. */
const OTHERS = [
  ...['a100-40g', 'a100-80g'].flatMap((device) =>
    cutsOf({ shape: 'llama-3-8b', device, devices: 4 }, [2, 4]),
  ),
  ...cutsOf({ shape: 'llama-2-70b', device: 'l4', devices: 8 }, [8]),
  ...cutsOf({ shape: 'llama-2-70b', device: 'h100-80g', devices: 4 }, [2, 4]),
];

const TYPICAL = LENGTHS[1]!;
const MESHES = Object.keys(MESH_HOPS);

/** Of the whole map: memory × hop × lengths; the meshes at other limits and scales; other models over the meshes. */
export function mapCells(): Cell[] {
  const server = { limit: 'server', scale: 1 } as const;
  return [
    ...THIRTEEN.flatMap((cut) =>
      Object.keys(HOPS).flatMap((hop) => LENGTHS.map((lengths) => ({ ...cut, ...server, hop, lengths }))),
    ),
    ...[...THIRTEEN, ...OTHERS].flatMap((cut) =>
      MESHES.flatMap((hop): Cell[] => [
        { ...cut, hop, lengths: TYPICAL, limit: 'interactive', scale: 1 },
        ...SCALES.filter((scale) => scale !== 1).map((scale) => ({
          ...cut,
          ...server,
          hop,
          lengths: TYPICAL,
          scale,
        })),
      ]),
    ),
    ...OTHERS.flatMap((cut) => MESHES.map((hop) => ({ ...cut, ...server, hop, lengths: TYPICAL }))),
  ];
}

/** The knee of a cell, by simulation: seconds of computing. */
export function mapPoint(cell: Cell): MapPoint {
  const { hop, lengths, limit, scale } = cell;
  const options = { hop: HOPS[hop]!, scale, level: LIMITS[limit] };
  try {
    return { ...cell, knee: kneeOf(evenArm(armOf(cell)), lengths, options) };
  } catch (error) {
    if (ServingError.from(error).code !== 'invalid_config') throw error;
    return { ...cell, knee: null };
  }
}

const armOf = ({ shape, device, devices, stages, isInt8 }: Cell): EvenArm => ({
  shape,
  device: isInt8 ? int8On(device) : device,
  stages,
  replicas: devices / stages,
});

/** The point of a cell that differs from another in what is named; undefined where the map has none. */
export function pointLike(
  points: readonly MapPoint[],
  cell: Cell,
  other: Partial<Cell>,
): MapPoint | undefined {
  const { lengths, ...wanted }: Cell = { ...cell, ...other };
  return points.find(
    (point) =>
      point.lengths.promptTokens === lengths.promptTokens &&
      point.lengths.outputTokens === lengths.outputTokens &&
      Object.entries(wanted).every(([name, value]) => name === 'knee' || point[name as keyof Cell] === value),
  );
}

/** How many times as much one device carries as in another cell; null where either carries nothing. */
export function gainOver(point: MapPoint, other: MapPoint | undefined): number | null {
  const [own, base] = [point.knee?.tokensPerDevice ?? 0, other?.knee?.tokensPerDevice ?? 0];
  return own > 0 && base > 0 ? own / base : null;
}

/** Against the same devices that serve the model whole. */
export const gainOfSplit = (points: readonly MapPoint[], point: MapPoint): number | null =>
  gainOver(point, pointLike(points, point, { stages: 1, isInt8: false }));

/** The device that the others are priced against. */
const PRICED = 'a100-80g';

/**
 * How many times the price of a device of this cell an A100 of 80 GB may cost, that serves the model whole, for its tokens to be as
 * dear. Where it costs less, it is the better buy.
 */
export function breakEvenOf(points: readonly MapPoint[], point: MapPoint): number | null {
  const bigger = pointLike(points, point, { device: PRICED, stages: 1, isInt8: false });
  return bigger === undefined ? null : gainOver(bigger, point);
}
