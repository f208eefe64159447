import type { Lengths } from '../../loads/share-gpt.js';
import type { Arm } from '../arm.js';
import { LIMITS } from '../scenario.js';
import { MESH_HOPS } from '../simulate/hop.js';
import { kneeOf } from '../simulate/knee.js';
import written from './expected-knees.json' with { type: 'json' };

const known: Map<string, number> = new Map(Object.entries(written));

/**
 * Requests a second that an arm is expected to carry, undilated: loads are made around it, and the rows say of which they are. So
 * what has been expected is written down, and does not change with the simulation; what is not there is simulated.
 */
export function expectedKnee(arm: Arm, lengths: Lengths): number {
  const key = `${withoutDilation(arm)}, ${lengths.prompt}+${lengths.output}`;
  const rate = known.get(key) ?? simulatedKnee(arm, lengths);
  known.set(key, rate);
  return rate;
}

/** All that has been asked for, as it is written down. */
export const expectedKnees = (): Record<string, number> => Object.fromEntries([...known].sort());

const withoutDilation = ({ name }: Arm): string => name.replace(/-k[\d.]+$/, '');

function simulatedKnee(arm: Arm, { prompt: promptTokens, output: outputTokens }: Lengths): number {
  const options = { hop: MESH_HOPS[arm.mesh], level: LIMITS.server };
  return Number(kneeOf(arm, { promptTokens, outputTokens }, options).rate.toPrecision(3));
}
