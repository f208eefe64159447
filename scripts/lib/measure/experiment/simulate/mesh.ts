import { ServingError } from '../../../../../services/lib/errors/serving-error.js';
import { bytesPerActivation } from '../../../../../services/lib/model/activations.js';
import { modelShape } from '../../../../../services/lib/model/shapes/model-shape.js';
import { type LayerRange, stageRanges } from '../../../../../services/lib/model/split.js';
import { maxRowsPerFrame } from '../../../../../services/lib/wire/frames.js';
import { groupsAtOnce } from '../../../../../services/stage/scheduling/parallel-steps.js';
import { EXPERIMENT_SETTINGS } from '../settings.js';
import type { Arm, Emulated, StageBounds } from '../arm.js';
import type { Clock } from './clock.js';
import type { Hop } from './hop.js';
import { type Leg, Replica } from './replica.js';
import { stageModel, type StageModel } from './stage-model.js';

/** From a pod's creation to the first moment of its process, seconds. */
const POD_START = 3;
/** Between two looks of a replica that loads at how many do (services/stage/timed/modelled-start.ts). */
const LOOK = 1;

/** A replica from its pod's creation to its deletion, seconds; null for what has not been. */
export interface ReplicaLife {
  /** App-id. */
  readonly stage: string;
  readonly device: string;
  readonly created: number;
  readonly ready: number | null;
  readonly ended: number | null;
}

type Life = { -readonly [Field in keyof ReplicaLife]: ReplicaLife[Field] };

/** A pod, with its replica once that is ready. */
interface Pod {
  readonly life: Life;
  readonly index: number;
  readonly isScaled: boolean;
  replica: Replica | null;
}

interface MeshOptions {
  readonly clock: Clock;
  readonly hop: Hop;
  readonly scale: number;
  readonly onTokens: (legs: readonly Leg[]) => void;
  readonly onGiveWay: (leg: Leg) => void;
  readonly onLost: (replica: Replica) => void;
  /** There are other ways through the mesh than before. */
  readonly onWays: () => void;
}

/** The replicas of an arm: those that are there from the beginning, those that start, those that are killed or drain. */
export class Mesh {
  readonly bounds: readonly StageBounds[];
  /** Of activations, bytes. */
  readonly rowBytes: number;
  /** Rows that a frame between two stages can have. */
  readonly frameRows: number;
  readonly #options: MeshOptions;
  readonly #emulated: Emulated;
  readonly #model: (device: string, range: LayerRange) => StageModel;
  readonly #ranges: readonly LayerRange[];
  readonly #pods: Pod[] = [];
  readonly #lives: Life[] = [];
  #loading = 0;
  /** Of each stage: the routers ask for these at every turn. */
  #ready: Replica[][] = [];

  /** Every stage at its least. Throws `invalid_config` where a model does not fit its device, or nothing is emulated. */
  constructor(arm: Arm, options: MeshOptions) {
    const { emulated } = arm;
    if (!emulated) {
      throw new ServingError('invalid_config', `arm ${arm.name} emulates no GPU, so it cannot be simulated`);
    }
    const shape = modelShape(emulated.shape);
    this.bounds = arm.stages;
    this.rowBytes = shape.hidden * bytesPerActivation.f16;
    this.frameRows = maxRowsPerFrame(shape.hidden, 'f16');
    this.#options = options;
    this.#emulated = emulated;
    this.#ranges = stageRanges(arm.split, shape.layers);
    this.#model = (device, range) => stageModel(shape, device, range, options.scale);
    for (const [index, { min, more = [] }] of arm.stages.entries()) {
      for (let count = 0; count < min; count++) this.#place(index, this.#deviceOf(index), true);
      for (const device of more) this.#place(index, device, false);
    }
    this.#link();
  }

  get lives(): readonly ReplicaLife[] {
    return this.#lives;
  }

  /** Ready replicas of each stage, those that drain too. */
  get stages(): readonly (readonly Replica[])[] {
    return this.#ready;
  }

  /** Pods of a stage that its autoscaler counts. */
  scaledOf(index: number): number {
    return this.#scaled(index).length;
  }

  /** Starts or takes away as many replicas as it takes; those that are not ready go first, then the newest. */
  scaleTo(index: number, count: number): void {
    for (let there = this.scaledOf(index); there < count; there++) {
      this.#start(index, this.#deviceOf(index), true);
    }
    for (const pod of this.#scaled(index).slice(count).reverse()) this.#drain(pod);
  }

  /** The oldest replica of a stage is lost, and another pod made in its place. */
  kill(appId: string): void {
    const pod = this.#pods.find(({ life, replica }) => life.stage === appId && replica?.draining === false);
    if (pod === undefined) return;
    this.#remove(pod);
    this.#start(pod.index, pod.life.device, pod.isScaled);
  }

  #scaled(index: number): Pod[] {
    const pods = this.#pods.filter(
      (pod) => pod.index === index && pod.isScaled && pod.replica?.draining !== true,
    );
    return [
      ...pods.filter(({ replica }) => replica !== null),
      ...pods.filter(({ replica }) => replica === null),
    ];
  }

  #deviceOf(index: number): string {
    const { device, name } = this.bounds[index]!;
    if (device !== undefined) return device;
    throw new ServingError('invalid_config', `${name} of the arm has no emulated device`);
  }

  #pod(index: number, device: string, isScaled: boolean): Pod {
    const { now } = this.#options.clock;
    const life = { stage: this.bounds[index]!.name, device, created: now, ready: null, ended: null };
    const pod: Pod = { life, index, isScaled, replica: null };
    this.#pods.push(pod);
    this.#lives.push(life);
    return pod;
  }

  /** There from the beginning. */
  #place(index: number, device: string, isScaled: boolean): void {
    const pod = this.#pod(index, device, isScaled);
    pod.replica = this.#replica(pod);
  }

  #replica({ index, life }: Pod): Replica {
    life.ready = this.#options.clock.now;
    return new Replica({
      ...this.#options,
      name: `${life.stage}.${this.#lives.indexOf(life)}`,
      appId: life.stage,
      index,
      isHead: index === this.#ranges.length - 1,
      model: this.#model(life.device, this.#ranges[index]!),
      rowBytes: this.rowBytes,
      // Of stage 0, to which replicas of later stages tell of themselves.
      groupsAtOnce: (first) => this.#groupsAtOnce(first),
    });
  }

  #groupsAtOnce(first: Replica): number {
    const [next = [], ...later] = this.#ready.slice(1);
    const passedOn = next.reduce((sum, { sequences }) => sum + sequences, 0);
    const after = [next, ...later].flat().map(({ compute }) => compute);
    return groupsAtOnce(first.compute, after, first.sequences / Math.max(1, passedOn));
  }

  #start(index: number, device: string, isScaled: boolean): void {
    const pod = this.#pod(index, device, isScaled);
    const { clock } = this.#options;
    clock.after(POD_START, () => {
      if (pod.life.ended !== null) return;
      this.#loading++;
      this.#load(pod, this.#model(device, this.#ranges[index]!), 0);
    });
  }

  /** In each second so much of the start is done as that second is of a start with as many others as load then. */
  #load(pod: Pod, model: StageModel, done: number): void {
    const { start, storageGBps } = this.#emulated;
    const whole = start === null ? 0 : model.startSeconds(start, this.#loading, storageGBps);
    const left = (1 - done) * whole;
    if (pod.life.ended !== null || left <= 1e-9) {
      this.#loading--;
      if (pod.life.ended === null) this.#arrive(pod);
      return;
    }
    const step = Math.min(LOOK, left);
    this.#options.clock.after(step, () => this.#load(pod, model, done + step / whole));
  }

  #arrive(pod: Pod): void {
    pod.replica = this.#replica(pod);
    this.#link();
    this.#options.onWays();
  }

  /** It takes nothing new; it goes when it is empty, or after a while. */
  #drain(pod: Pod): void {
    const { replica } = pod;
    if (replica === null) {
      this.#remove(pod);
      return;
    }
    replica.draining = true;
    const { clock, onWays } = this.#options;
    const until = clock.now + EXPERIMENT_SETTINGS.drain;
    const look = (): void => {
      if (pod.life.ended !== null) return;
      if (replica.sequences === 0 || clock.now >= until) this.#remove(pod);
      else clock.after(LOOK, look);
    };
    onWays();
    look();
  }

  #remove(pod: Pod): void {
    pod.life.ended = this.#options.clock.now;
    this.#pods.splice(this.#pods.indexOf(pod), 1);
    if (pod.replica === null) return;
    pod.replica.kill();
    this.#link();
    this.#options.onLost(pod.replica);
  }

  /** All that are ready hold links to all of the next stage. */
  #link(): void {
    this.#ready = this.#ranges.map((_, index) =>
      this.#pods.flatMap((pod) => (pod.index === index && pod.replica !== null ? [pod.replica] : [])),
    );
    for (const [index, replicas] of this.#ready.entries()) {
      const next = (this.#ready[index + 1] ?? []).map(({ replica }) => replica);
      for (const { status } of replicas) status.nextReplicas = next;
    }
  }
}
