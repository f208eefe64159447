import { exponential, type Random } from './variates.js';

/** Arrival times of a Poisson process of `rate` per second in `[from, to)`, seconds. */
export function poisson(random: Random, rate: number, from: number, to: number): number[] {
  const times: number[] = [];
  for (let at = from + exponential(random) / rate; at < to; at += exponential(random) / rate) times.push(at);
  return times;
}
