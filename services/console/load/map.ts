/** The experiment's map: where a model that is split serves more per device than the whole one, read as far as a page draws it. */

/** One model's part of the map. */
export interface MapShape {
  readonly shape: string;
  readonly prompts: readonly number[];
  /** Of an uncontended hop, shortest first. */
  readonly hops: readonly { readonly ms: number; readonly name: string }[];
  readonly rows: readonly MapRow[];
}

/** A way to serve it on one kind of device: for each prompt, and each hop. */
interface MapRow {
  readonly device: string;
  readonly arm: string;
  readonly cells: readonly (readonly MapCell[])[];
}

/**
 * What it serves over what the whole model serves there: `split` where only a split fits, `nothing` where this serves nothing,
 * null of what was not simulated.
 */
export type MapCell = number | 'split' | 'nothing' | null;

interface Place {
  readonly shape: string;
  readonly device: string;
  readonly arm: string;
  readonly prompt: number;
  readonly hopMs: number;
  readonly hopName: string;
  readonly kneePerDevice: number;
  readonly ratioToWhole: number | null;
  readonly scale: number;
}

/** Null of a file that is no map. */
export function mapOf(file: Record<string, unknown>): MapShape[] | null {
  const places = Object.values(file)
    .flatMap((cells) => (Array.isArray(cells) ? (cells as unknown[]) : []))
    .filter(isPlace)
    // The whole model is what they are compared with; other scales are there to see what depends on the model's times.
    .filter(({ scale, arm }) => scale === 1 && arm !== 'whole');
  if (places.length === 0) return null;
  return unique(places.map(({ shape }) => shape)).map((shape) =>
    shapeOf(
      shape,
      places.filter((place) => place.shape === shape),
    ),
  );
}

const isPlace = (cell: unknown): cell is Place =>
  typeof cell === 'object' && cell !== null && 'kneePerDevice' in cell && 'ratioToWhole' in cell;

function shapeOf(shape: string, places: readonly Place[]): MapShape {
  const prompts = unique(places.map(({ prompt }) => prompt)).sort((one, other) => one - other);
  const hops = unique(places.map(({ hopMs }) => hopMs))
    .sort((one, other) => one - other)
    .map((ms) => ({ ms, name: places.find(({ hopMs }) => hopMs === ms)!.hopName }));
  const names = unique(places.map(({ device, arm }) => JSON.stringify([device, arm])));
  const rows = names.map((name): MapRow => {
    const [device, arm] = JSON.parse(name) as [string, string];
    const own = places.filter((place) => place.device === device && place.arm === arm);
    const cellAt = (prompt: number, ms: number): MapCell =>
      cellOf(own.find((place) => place.prompt === prompt && place.hopMs === ms));
    return { device, arm, cells: prompts.map((prompt) => hops.map(({ ms }) => cellAt(prompt, ms))) };
  });
  return { shape, prompts, hops, rows };
}

function cellOf(place: Place | undefined): MapCell {
  if (place === undefined) return null;
  if (place.kneePerDevice === 0) return 'nothing';
  return place.ratioToWhole ?? 'split';
}

const unique = <Value>(values: readonly Value[]): Value[] => [...new Set(values)];
