import type { StageTopology } from '../generation/backend.js';

/** Something that has happened in the mesh. */
export type Change =
  | {
      readonly kind: 'replica_up' | 'replica_draining' | 'replica_gone';
      readonly stage: string;
      readonly replica: string;
    }
  | {
      readonly kind: 'sequences_moved';
      /** As `layermesh_reroutes_total` has it. */
      readonly reason: string;
      readonly count: number;
    };

type Stages = readonly Pick<StageTopology, 'app_id' | 'replicas'>[];

/** What came, drains and went between two looks. A replica whose process is another one has gone and come. */
export function changesBetween(before: Stages, after: Stages): Change[] {
  return after.flatMap(({ app_id: stage, replicas }) => {
    const then = before.find(({ app_id }) => app_id === stage)?.replicas ?? [];
    const same = (one: { id: string; pid: number }, other: { id: string; pid: number }): boolean =>
      one.id === other.id && one.pid === other.pid;
    const gone = then.filter((old) => !replicas.some((replica) => same(old, replica)));
    const came = replicas.filter((replica) => !then.some((old) => same(old, replica)));
    const drains = replicas.filter(
      (replica) =>
        replica.state === 'draining' && then.find((old) => same(old, replica))?.state !== 'draining',
    );
    return [
      ...gone.map(({ id }): Change => ({ kind: 'replica_gone', stage, replica: id })),
      ...came.map(({ id }): Change => ({ kind: 'replica_up', stage, replica: id })),
      ...drains.map(({ id }): Change => ({ kind: 'replica_draining', stage, replica: id })),
    ];
  });
}
