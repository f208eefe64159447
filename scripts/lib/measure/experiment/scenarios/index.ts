import type { Scenario, ScenarioName } from '../scenario.js';
import type { FleetOptions } from '../fleets.js';
import { kills } from './kills.js';
import { memory } from './s1-memory.js';
import { smallCards } from './s2-small-cards.js';
import { reaction } from './s3-reaction.js';
import { mixedFleet } from './s4-mixed-fleet.js';
import { longPrompts } from './s5-long-prompts.js';
import { bottleneck } from './s6-bottleneck.js';

export { smokeScenario } from './smoke.js';

const makers: Readonly<Record<ScenarioName, (options: FleetOptions) => Scenario>> = {
  s1: memory,
  s2: smallCards,
  s3: reaction,
  s4: mixedFleet,
  s5: longPrompts,
  s6: bottleneck,
  kills,
};

/** A scenario by its name; its arms are made with these options where it has none of its own. */
export const scenarioOf = (name: ScenarioName, options: FleetOptions): Scenario => makers[name](options);
