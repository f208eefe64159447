import type { Lengths } from '../../loads/share-gpt.js';
import type { Arm } from '../arm.js';
import { SERVER_LIMITS } from '../scenario.js';
import { MESH_HOPS } from '../simulate/hop.js';
import type { ServiceLevel } from '../../figures/requests.js';
import { kneeOf } from '../simulate/knee.js';
import { groupOf } from './loads.js';
import written from './expected-knees.json' with { type: 'json' };

const known: Map<string, number> = new Map(Object.entries(written));

/**
 * Requests a second that an arm is expected to carry, undilated: loads are made around it, and the rows say of which they are. So
 * what has been expected is written down, and does not change with the simulation; what is not there is simulated.
 */
export function expectedKnee(arm: Arm, lengths: Lengths, limits = SERVER_LIMITS): number {
  const key = `${withoutDilation(arm)}, ${groupOf(lengths, limits)}`;
  const rate = known.get(key) ?? simulatedKnee(arm, lengths, limits);
  known.set(key, rate);
  return rate;
}

/** All that has been asked for, as it is written down. */
export const expectedKnees = (): Record<string, number> => Object.fromEntries([...known].sort());

const withoutDilation = ({ name }: Arm): string => name.replace(/-k[\d.]+$/, '');

function simulatedKnee(
  arm: Arm,
  { prompt: promptTokens, output: outputTokens }: Lengths,
  level: ServiceLevel,
): number {
  const options = { hop: MESH_HOPS[arm.mesh], level };
  return Number(kneeOf(arm, { promptTokens, outputTokens }, options).rate.toPrecision(3));
}
