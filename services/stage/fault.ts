/** A delay put into a stage on purpose, so that tests know what telemetry must show. Milliseconds. */
export interface Fault {
  readonly perStep: number;
  readonly perSequence: number;
}

const idle = new Int32Array(new SharedArrayBuffer(4));

/** Holds the engine's thread as a slower processor would, but uses none. */
export function delayStep({ perStep, perSequence }: Fault, sequences: number): void {
  const milliseconds = perStep + perSequence * sequences;
  if (milliseconds > 0) Atomics.wait(idle, 0, 0, milliseconds);
}
