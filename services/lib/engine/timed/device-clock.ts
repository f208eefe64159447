import type { StepTime } from '../types.js';

/** Name of the thread that stands for a device, by which whoever runs the machine finds it. */
export const DEVICE_THREAD = 'device';

/** The machine's monotonic clock, seconds: the same in all threads and processes. */
export function machineTime(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds + nanoseconds / 1e9;
}

const idle = new Int32Array(new SharedArrayBuffer(4));

const holdThread = (seconds: number): void => void Atomics.wait(idle, 0, 0, seconds * 1000);

/** How long a thread may turn round before a deadline, seconds: a processor that many stages share has no more to spare. */
const LONGEST = 100e-6;
/** Three of four times a thread is woken earlier than this estimate, which follows by so many seconds a step. */
const LEARNING = 2e-6;
const QUANTILE = 3 / 4;

/**
 * The time of an emulated device, which does one thing after another. A step is over at a deadline: when its modelled
 * time has passed since its rows were there and the device was free, whatever we did in between. So neither our own
 * work nor a thread that was woken late adds up: a step that ended late leaves the next one as much less to wait.
 */
export class DeviceClock {
  readonly #dilation: number;
  readonly #time: () => number;
  readonly #sleep: (seconds: number) => void;
  #free = -Infinity;
  /** How long before a deadline a thread is to be woken: as late as it usually is. */
  #early = 50e-6;

  /** `time` and `sleep`, seconds, are the machine's unless a test has others. */
  constructor(dilation: number, time = machineTime, sleep = holdThread) {
    this.#dilation = dilation;
    this.#time = time;
    this.#sleep = sleep;
  }

  /** Holds the thread until a step is over whose rows were there at `ready`, machine time. */
  endStep(ready: number, modelled: number): StepTime {
    const seconds = modelled * this.#dilation;
    const deadline = Math.max(ready, this.#free) + seconds;
    this.#free = deadline;
    this.#holdUntil(deadline);
    return { seconds, overshoot: (this.#time() - deadline) / seconds };
  }

  /** Sleeps until shortly before, and for the rest, some ten microseconds, turns round. */
  #holdUntil(deadline: number): void {
    for (let left = deadline - this.#time(); left > 0; left = deadline - this.#time()) {
      if (left <= this.#early) continue;
      const woken = deadline - this.#early;
      this.#sleep(left - this.#early);
      const isLater = this.#time() - woken > this.#early;
      this.#early = Math.min(LONGEST, this.#early + LEARNING * (isLater ? QUANTILE : QUANTILE - 1));
    }
  }
}
