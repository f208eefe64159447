import { strftime } from './strftime.js';

/** Python's `range`, as a list. */
function range(...bounds: [stop: number] | [start: number, stop: number, step?: number]): number[] {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]] : bounds;
  if (step === 0) throw new Error('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length }, (_, index) => start + index * step);
}

/**
 * What every chat template may use, as in transformers. The library has globals of its own that can not be
 * replaced one by one, and its `strftime_now` speaks the language of the machine.
 */
export function jinjaGlobals(now: () => Date): Record<string, unknown> {
  return {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    range,
    strftime_now: (format: string) => strftime(now(), format),
    raise_exception: (message: string) => {
      throw new Error(message);
    },
  };
}
