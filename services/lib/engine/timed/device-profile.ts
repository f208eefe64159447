import { ServingError } from '../../errors/serving-error.js';
import a100Forty from './profiles/a100-40g.json' with { type: 'json' };
import a100Eighty from './profiles/a100-80g.json' with { type: 'json' };
import a40 from './profiles/a40.json' with { type: 'json' };
import h100 from './profiles/h100-80g.json' with { type: 'json' };
import l4 from './profiles/l4.json' with { type: 'json' };
import l40s from './profiles/l40s.json' with { type: 'json' };

/** What the cost model knows of a device. */
export interface DeviceProfile {
  readonly name: string;
  readonly memoryBytes: number;
  /** Of the device's memory. */
  readonly bytesPerSecond: number;
  /** Dense f16 operations, by the data sheet. */
  readonly flopsPerSecond: number;
  /** One way between host and device. */
  readonly hostBytesPerSecond: number;
  /** Of one layer of llama-2-13b. */
  readonly linear: LinearTable;
}

/** Seconds of a layer's matrix products, norms and rotations by the rows of a step; rows rise. */
export interface LinearTable {
  readonly rows: readonly number[];
  readonly seconds: readonly number[];
  /** The device whose measurements were scaled, where nobody published any of this one. */
  readonly derivedFrom: string | null;
}

/** A file in `profiles/`. A number's `source` is a name in `sources`. */
interface ProfileFile {
  readonly name: string;
  readonly sources: Readonly<Record<string, { readonly name: string; readonly url: string }>>;
  readonly memoryGiB: Sourced;
  readonly terabytesPerSecond: Sourced;
  readonly teraflops: Sourced;
  readonly hostGigabytesPerSecond: Sourced;
  readonly linear:
    | { readonly source: string; readonly rows: readonly number[]; readonly milliseconds: readonly number[] }
    | { readonly derivedFrom: string };
}

interface Sourced {
  readonly value: number;
  readonly source: string;
}

const files: readonly ProfileFile[] = [a100Eighty, a100Forty, h100, a40, l40s, l4];

export const deviceNames: readonly string[] = files.map(({ name }) => name);

/** A device by name; throws `invalid_config` with the names that there are. */
export function deviceProfile(name: string): DeviceProfile {
  const file = files.find((candidate) => candidate.name === name);
  if (file === undefined) {
    throw new ServingError('invalid_config', `"${name}" is no known device`, {
      hint: `use one of ${deviceNames.join(', ')}`,
    });
  }
  const figures = {
    name,
    memoryBytes: file.memoryGiB.value * 2 ** 30,
    bytesPerSecond: file.terabytesPerSecond.value * 1e12,
    flopsPerSecond: file.teraflops.value * 1e12,
    hostBytesPerSecond: file.hostGigabytesPerSecond.value * 1e9,
  };
  const { linear } = file;
  if ('derivedFrom' in linear) {
    return { ...figures, linear: derivedTable(deviceProfile(linear.derivedFrom), figures) };
  }
  const seconds = linear.milliseconds.map((milliseconds) => milliseconds / 1e3);
  return { ...figures, linear: { rows: linear.rows, seconds, derivedFrom: null } };
}

/**
 * The table of a device that nobody measured, from a relative's: one row costs the reading of the weights, which goes by
 * bandwidth; many rows cost operations, which go by peak; in between whichever takes longer.
 */
function derivedTable(
  relative: DeviceProfile,
  device: Pick<DeviceProfile, 'bytesPerSecond' | 'flopsPerSecond'>,
): LinearTable {
  const { rows, seconds } = relative.linear;
  const reading = seconds[0]! * (relative.bytesPerSecond / device.bytesPerSecond);
  const slower = relative.flopsPerSecond / device.flopsPerSecond;
  return {
    rows,
    seconds: seconds.map((measured) => Math.max(reading, measured * slower)),
    derivedFrom: relative.name,
  };
}
