import { DeviceClock, machineTime } from '../../../../services/lib/engine/timed/device-clock.js';

/** A machine that wakes a thread too late by what `late` says, and takes a moment for each look at its clock. */
function machine(late: () => number) {
  let time = 100;
  return {
    pass: (seconds: number) => void (time += seconds),
    time: () => (time += 1e-6),
    sleep: (seconds: number) => void (time += seconds + late()),
  };
}

const STEP = 0.005;

describe('the clock of an emulated device', () => {
  it('ends steps at their deadlines, which no late waking moves', () => {
    const { time, sleep } = machine(() => 0.001);
    const clock = new DeviceClock(1, time, sleep);
    const began = time();
    for (let step = 1; step <= 50; step++) {
      const { seconds, overshoot } = clock.endStep(began, STEP);
      expect(seconds).toBe(STEP);
      expect(time() - (began + step * STEP)).toBeCloseTo(overshoot * STEP, 4);
      expect(overshoot).toBeGreaterThanOrEqual(0);
      expect(overshoot).toBeLessThan(0.25);
    }
  });

  it('learns how late it is woken, and sleeps as much less', () => {
    const { time, sleep } = machine(() => 100e-6);
    const clock = new DeviceClock(1, time, sleep);
    const late = Array.from({ length: 60 }, () => clock.endStep(time(), STEP).overshoot);
    expect(Math.max(...late.slice(40))).toBeLessThan(0.01);
  });

  it('counts from when the rows were there, and takes what was done meanwhile off', () => {
    const { time, sleep, pass } = machine(() => 0);
    const clock = new DeviceClock(1, time, sleep);
    const ready = time();
    pass(0.003);
    clock.endStep(ready, STEP);
    expect(time() - ready).toBeCloseTo(STEP, 4);
    // An idle device begins when rows come, not when it was free.
    pass(1);
    const later = time();
    clock.endStep(later, STEP);
    expect(time() - later).toBeCloseTo(STEP, 4);
  });

  it('says by how much a step was late whose work took longer than it may', () => {
    const { time, sleep, pass } = machine(() => 0);
    const clock = new DeviceClock(1, time, sleep);
    const ready = time();
    pass(2 * STEP);
    expect(clock.endStep(ready, STEP).overshoot).toBeCloseTo(1, 2);
  });

  it('stretches steps', () => {
    const { time, sleep } = machine(() => 0);
    const began = time();
    expect(new DeviceClock(10, time, sleep).endStep(began, STEP).seconds).toBeCloseTo(10 * STEP);
    expect(time() - began).toBeCloseTo(10 * STEP, 4);
  });

  it('holds a real thread as long', () => {
    const began = machineTime();
    const { overshoot } = new DeviceClock(1).endStep(began, 0.02);
    expect(machineTime() - began).toBeGreaterThanOrEqual(0.02);
    expect(overshoot).toBeGreaterThanOrEqual(0);
  });
});
