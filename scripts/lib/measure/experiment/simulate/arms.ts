import { modelShape } from '../../../../../services/lib/model/shapes/model-shape.js';
import { evenSplit } from '../../../../../services/lib/model/split.js';
import type { Arm, Emulated } from '../arm.js';

/** Equal replicas of equal stages on devices of one kind. */
export interface EvenArm {
  readonly shape: string;
  readonly device: string;
  /** 1: the model is whole. */
  readonly stages: number;
  /** Of each stage. */
  readonly replicas: number;
  readonly mesh?: Arm['mesh'];
}

/** The arm, with nothing scaled and no time to start. */
export function evenArm({ shape, device, stages, replicas, mesh = 'dapr' }: EvenArm): Arm {
  const emulated: Emulated = { shape, start: null, storageGBps: null, dilation: 1, hopMs: 0 };
  const cut = stages === 1 ? 'whole' : `split in ${stages}`;
  return {
    name: `${stages === 1 ? 'whole' : `split-${stages}`}-${device.replaceAll(' ', '-')}-x${replicas}`,
    title: `${shape} ${cut} on ${stages * replicas} × ${device}`,
    split: evenSplit(modelShape(shape), stages),
    stages: Array.from({ length: stages }, (_, index) => ({
      name: `stage-${index}`,
      min: replicas,
      max: replicas,
      milliCpu: 0,
      sidecarMilliCpu: 0,
      device,
    })),
    mesh,
    emulated,
  };
}

/** Devices of an arm at its least. */
export const devicesOf = ({ stages }: Arm): number =>
  stages.reduce((sum, { min, more = [] }) => sum + min + more.length, 0);
