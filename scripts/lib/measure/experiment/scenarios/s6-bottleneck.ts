import { figure } from '../../../cli/tables.js';
import { kneeText } from '../../figures/goodput.js';
import type { ServiceLevel } from '../../figures/requests.js';
import type { Lengths } from '../../loads/share-gpt.js';
import type { Arm } from '../arm.js';
import { SERVER_LIMITS, type Scenario, type ScenarioRun } from '../scenario.js';
import { expectedKnee } from './expected-knee.js';
import { mostDevices, slowed, splitAt, type FleetOptions } from '../fleets.js';
import { by, decided, kneeOfCell, NOT_FOUND, ratioOf, type Cell } from './judge.js';
import { groupOf, sweeps } from './loads.js';

interface Asked {
  readonly lengths: Lengths;
  readonly limits: ServiceLevel;
}

/** Short: what is slowed down waits long for the last tokens of each load. */
const CHAIN: Asked = { lengths: { prompt: 192, output: 48 }, limits: SERVER_LIMITS };
/** Within as long as the others 8B would serve so many rows that two processors could not carry what its stages send each other. */
const HEAD: Asked = { lengths: { prompt: 64, output: 32 }, limits: { ttft: 2_000, tpot: 100 } };
/** What four stages in a row carry was simulated a third too high before. */
const SHARES = [0.6, 0.9, 1.2];
const VOCABULARY = 'llama-3-8b';
const DEVICE = 'l4';
const EVEN = [10, 20, 30];
const UNEVEN = [14, 28, 34];

/** One more replica of one stage: what it brings where all stages are alike, and where one is not. */
export function bottleneck(options: FleetOptions): Scenario {
  const vocabulary = { ...options, shape: VOCABULARY };
  // At the highest rate stages send each other 40 to 55 MB a second then.
  const arms = {
    even: chain(EVEN, [1, 1, 1, 1], slowed(options, 4)),
    evenAndOne: chain(EVEN, [1, 2, 1, 1], slowed(options, 4)),
    uneven: chain(UNEVEN, [1, 1, 1, 1], slowed(options, 3)),
    unevenAndTwo: chain(UNEVEN, [2, 2, 1, 1], slowed(options, 5)),
    head: chain([8, 16, 24], [1, 1, 1, 1], slowed(vocabulary, 5)),
    headAndOne: chain([8, 16, 24], [1, 1, 1, 2], slowed(vocabulary, 6)),
  };
  const runs = Object.values(arms).map((arm): ScenarioRun => {
    const { lengths, limits } = askedOf(arm);
    const knee = expectedKnee(arm, lengths, limits);
    return { arm, loads: sweeps(lengths, knee, { shares: SHARES, limits }) };
  });
  const at = (arm: Arm): Cell => ({ arm, group: groupOf(askedOf(arm).lengths, askedOf(arm).limits) });
  /** What more replicas bring, of what a second chain of all stages would. */
  const gain = (
    { id, text }: { id: string; text: string },
    [before, after]: readonly [Arm, Arm],
    isRight: (gain: number) => boolean,
  ) =>
    by({ id, text }, (results) => {
      const [from, to] = [before, after].map((arm) => kneeOfCell(results, at(arm), 'measured'));
      if (!from || !to) return null;
      const ratio = ratioOf(to, from);
      if (ratio === null) return NOT_FOUND;
      const cost = mostDevices(after) / mostDevices(before);
      const seen = `${kneeText(ratio)} times as many requests/s with ${figure(cost)} times as many devices`;
      return { right: decided(ratio, (times) => isRight(times - 1)), seen };
    });
  return {
    name: 's6',
    title: 'The bottleneck stage',
    question:
      'Four stages on L4, and one more replica of the slowest: the mechanism of the paper, at its model.',
    runs,
    expectations: [
      gain(
        {
          id: 's6-a',
          text: 'Stages that are alike (13B, 10 layers each): one more of one of them brings less than 5 %.',
        },
        [arms.even, arms.evenAndOne],
        (brought) => brought < 0.05,
      ),
      gain(
        {
          id: 's6-b',
          text: 'Stages of 14, 14, 6 and 6 layers: one more of each slow one brings 60 to 90 % of what doubling everything would.',
        },
        [arms.uneven, arms.unevenAndTwo],
        (brought) => 0.6 <= brought && brought <= 0.9,
      ),
      gain(
        {
          id: 's6-c',
          text: 'A vocabulary of 128,000 (8B, 8 layers each): one more of the last stage brings at least 15 %.',
        },
        [arms.head, arms.headAndOne],
        (brought) => brought >= 0.15,
      ),
    ],
  };
}

const askedOf = ({ emulated }: Arm): Asked => (emulated?.shape === VOCABULARY ? HEAD : CHAIN);

const chain = (boundaries: readonly number[], replicas: readonly number[], options: FleetOptions): Arm =>
  splitAt(
    boundaries,
    replicas.map((count) => ({ device: DEVICE, replicas: count })),
    options,
  );
