import { modelShape } from '../../../../services/lib/model/shapes/model-shape.js';
import { evenSplit } from '../../../../services/lib/model/split.js';
import type { Arm, Emulated, StageBounds } from './arm.js';

/** What arms of emulated GPUs are made with; what is left out is that of `DEFAULTS`. */
export interface FleetOptions extends Partial<Emulated> {
  readonly mesh?: Arm['mesh'];
}

const DEFAULTS: Emulated = {
  shape: 'llama-2-13b',
  start: null,
  storageGBps: null,
  dilation: 1,
  hopMs: 0,
};

/**
 * The same, so many times as slow again: where stages would send each other more than some 36 MB of activations a second, all that is
 * modelled takes longer, for two processors to keep up with the bytes, which are real.
 */
export const slowed = (options: FleetOptions, times: number): FleetOptions => ({
  ...options,
  dilation: (options.dilation ?? DEFAULTS.dilation) * times,
});

/** Least and most replicas of a stage. */
type Replicas = number | readonly [min: number, max: number];

/** The whole model on each of so many devices. */
export const whole = (device: string, replicas: Replicas, options: FleetOptions = {}): Arm =>
  fleet(
    `whole-${device}${countText(replicas)}`,
    `the whole model on ${replicasText(replicas)} ${device}`,
    [],
    [{ device, replicas }],
    options,
  );

/** The whole model on each of several devices that differ. */
export const wholeMixed = (devices: readonly string[], options: FleetOptions = {}): Arm => {
  const [first, ...more] = devices as [string, ...string[]];
  const title = `the whole model on each of ${devices.join(', ')}`;
  return fleet(`whole-${devices.join('-')}`, title, [], [{ device: first, replicas: 1, more }], options);
};

/** Stages of even cost, all on such devices. */
export function split(
  stages: number,
  device: string,
  replicas: Replicas = 1,
  options: FleetOptions = {},
): Arm {
  const boundaries = evenSplit(modelShape(options.shape ?? DEFAULTS.shape), stages);
  const each = Array.from({ length: stages }, () => ({ device, replicas }));
  const title = `${stages} stages on ${device}, ${replicasText(replicas)} of each`;
  return fleet(`split-${stages}-${device}${countText(replicas)}`, title, boundaries, each, options);
}

/** Stages that end before these layers, each on its device. */
export function splitAt(
  boundaries: readonly number[],
  stages: readonly { readonly device: string; readonly replicas: Replicas }[],
  options: FleetOptions = {},
): Arm {
  const { layers } = modelShape(options.shape ?? DEFAULTS.shape);
  const sizes = boundaries.concat(layers).map((end, index) => end - (boundaries[index - 1] ?? 0));
  const parts = stages.map(
    ({ device, replicas }, index) => `${sizes[index]} layers on ${replicasText(replicas)} ${device}`,
  );
  const name = `split-${stages.map(({ device, replicas }, index) => `${sizes[index]}-${device}${countText(replicas)}`).join('-')}`;
  return fleet(name, parts.join(', '), boundaries, stages, options);
}

function fleet(
  name: string,
  title: string,
  boundaries: readonly number[],
  stages: readonly (Pick<StageBounds, 'more'> & { device: string; replicas: Replicas })[],
  { mesh = 'dapr', ...emulated }: FleetOptions,
): Arm {
  const { shape, dilation } = { ...DEFAULTS, ...emulated };
  const marks = [
    ...(shape === DEFAULTS.shape ? [] : [shape]),
    ...(mesh === 'dapr' ? [] : [mesh]),
    ...(emulated.start ? [emulated.start] : []),
    ...(emulated.storageGBps ? [`${emulated.storageGBps}gbps`] : []),
    ...(dilation === 1 ? [] : [`k${dilation}`]),
  ];
  return {
    name: [name, ...marks].join('-'),
    title: [title, ...marks].join(', '),
    split: boundaries,
    stages: stages.map(({ device, replicas, more }, index) => {
      const [min, max] = typeof replicas === 'number' ? [replicas, replicas] : replicas;
      const limits = { milliCpu: 0, sidecarMilliCpu: 0 };
      return { name: `stage-${index}`, min, max, ...limits, device, ...(more && { more }) };
    }),
    mesh,
    emulated: { ...DEFAULTS, ...emulated },
  };
}

const countText = (replicas: Replicas): string =>
  typeof replicas === 'number' ? (replicas === 1 ? '' : `x${replicas}`) : `x${replicas.join('to')}`;

const replicasText = (replicas: Replicas): string =>
  typeof replicas === 'number' ? String(replicas) : replicas.join(' to ');

/** Devices that an arm has at most. */
export const mostDevices = ({ stages }: Arm): number =>
  stages.reduce((sum, { max, more = [] }) => sum + max + more.length, 0);
