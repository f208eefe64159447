import type { Arm } from '../arm.js';

/** What a message takes from one process to another, one way: its own time on the way, and the link's for its bytes. */
export interface Hop {
  readonly baseMs: number;
  readonly msPerMB: number;
}

/**
 * The lines through the medians of one row of 10.2 kB and of a decode step of 64 (docs/benchmarks.md, "A hop", and ADR 013):
 * over Dapr 0.518 and 2.72 ms, direct 0.219 and 1.12 ms. They say 1.04 and 0.43 ms of 16 rows, where 1.10 and 0.54 were measured,
 * and 40.7 and 16.7 ms of a prompt of 11.8 MB, where it was 36.0 and 14.0.
 */
export const MESH_HOPS: Readonly<Record<Arm['mesh'], Hop>> = {
  dapr: { baseMs: 0.483, msPerMB: 3.42 },
  direct: { baseMs: 0.205, msPerMB: 1.4 },
};

/** What the wire itself takes at 10 Gbit/s. */
const WIRE_MS_PER_MB = 0.8;

/** Of a mesh with so long a way for the smallest message, over links of 10 Gbit/s. */
export const hopOf = (baseMs: number): Hop => ({ baseMs, msPerMB: WIRE_MS_PER_MB });

/** The mesh's hop as it counts in a dilated run: it is real, padded by whole milliseconds (services/stage/timed/padded-hop.ts), and then k times as short beside what is modelled. */
export function hopAsRun({ mesh, emulated }: Pick<Arm, 'mesh' | 'emulated'>): Hop {
  const { dilation, hopMs } = emulated ?? { dilation: 1, hopMs: 0 };
  const { baseMs, msPerMB } = MESH_HOPS[mesh];
  const padMs = Math.round((dilation - 1) * hopMs);
  return { baseMs: (baseMs + padMs) / dilation, msPerMB: msPerMB / dilation };
}
