import { demandOf } from '../../../../services/gateway/routing/occupancy.js';
import { planRebalance, type Movable } from '../../../../services/gateway/routing/rebalance.js';
import { RouteChooser } from '../../../../services/gateway/routing/route-chooser.js';
import { onSomeRoute, type Candidate } from '../../../../services/gateway/routing/router.js';
import { medianMs } from './median-ms.js';
import { nameOf, statusOf, type Size } from './measure-status.js';

/** What a gateway computes on its event loop, where every stream of tokens waits for it. */
export interface RoutingFigures {
  /** For one request, ms. */
  readonly chooseMs: number;
  /** Once a second: who runs where, and whether anybody is better off elsewhere, ms. */
  readonly tendMs: number;
}

/** Running on each replica. */
const SEQUENCES = 4;

/** Of a mesh in which everybody holds a link to everybody. */
export function timeRouting(size: Size): RoutingFigures {
  const stages = candidatesOf(size);
  const sequences = sequencesOn(stages);
  const chooser = new RouteChooser(
    () => stages,
    () => sequences,
  );
  // All of them hold half of the prompt.
  for (const links of stages) chooser.note(links, PREFIX, PREFIX.length / 2);
  const wish = { length: 512, demand: demandOf(512, 1_024), prefix: PREFIX, avoid: new Set<Candidate>() };
  return {
    chooseMs: medianMs(() => chooser.choose(wish)),
    tendMs: medianMs(() => planRebalance(onSomeRoute(stages), sequences)),
  };
}

/** The names of a prompt's blocks. */
const PREFIX = Array.from({ length: 16 }, (_, index) => `block-${index}`);

const candidatesOf = (size: Size): Candidate[][] =>
  Array.from({ length: size.stages }, (_, stage) => {
    const status = statusOf(size, stage);
    return Array.from({ length: size.replicas }, (__, index) => ({
      appId: `stage-${stage}`,
      replica: nameOf(stage, index),
      draining: false,
      status,
    }));
  });

/** Evenly spread, and settled. */
const sequencesOn = (stages: readonly (readonly Candidate[])[]): Movable<Candidate>[] =>
  stages[0]!.flatMap((_, index) =>
    Array.from({ length: SEQUENCES }, (): Movable<Candidate> => ({
      route: stages.map((links) => links[index]!),
      demand: 768,
      length: 512,
      maxLength: 1_024,
      settledMs: 60_000,
    })),
  );
