import { create } from '@bufbuild/protobuf';
import { RouteProgress } from '../../../../services/gateway/routing/route-progress.js';
import type { Candidate } from '../../../../services/gateway/routing/router.js';
import { StatusSchema } from '../../../../services/lib/wire/gen/stage_pb.js';

const LIMIT = 8_000;

describe('the progress of a route', () => {
  const link = (appId: string): Candidate => ({
    appId,
    replica: 'r',
    draining: false,
    status: create(StatusSchema, {}),
  });
  let route: Candidate[];
  let progress: RouteProgress<Candidate>;
  beforeEach(() => {
    route = [link('stage-0'), link('stage-1')];
    progress = new RouteProgress(LIMIT);
  });
  /** What a replica says with its next pong. */
  const tell = (at: number, now: number, steps: number, stepSeconds = 0): void => {
    Object.assign(route[at]!, {
      status: create(StatusSchema, { stepSeconds, prefill: { steps } }),
    });
    progress.observe(route, now);
  };

  it('is none of a route that computes nothing for as long as a step may take', () => {
    progress.observe(route, 0);
    expect(progress.problem(route, 0, LIMIT - 1)).toBeNull();
    expect(progress.problem(route, 0, LIMIT)).toMatchObject({
      message: 'nothing was computed for it within 8 s',
      replica: null,
    });
  });

  it('is well for five times a step, and longer, as long as steps end', () => {
    for (let now = 0; now <= 5 * LIMIT; now += 2_000) {
      tell(now % 4_000 === 0 ? 0 : 1, now, now / 1_000, 1.9);
      expect(progress.problem(route, 0, now)).toBeNull();
    }
  });

  it('waits for a step that is still within its time, whatever else rests', () => {
    tell(1, 0, 1, 0.1);
    tell(1, 7_000, 1, 7.1);
    expect(progress.problem(route, 0, LIMIT)).toBeNull();
  });

  it('is none where a step does not end, though other replicas get on', () => {
    for (let now = 0; now <= LIMIT; now += 2_000) {
      tell(0, now, now);
      tell(1, now, 5, now / 1_000);
    }
    expect(progress.problem(route, 0, LIMIT)).toMatchObject({
      message: 'a step of stage-1/r has not ended within 8 s',
      replica: 'r',
    });
  });

  it('counts from when the sequence began to wait', () => {
    progress.observe(route, 0);
    expect(progress.problem(route, 5 * LIMIT, 5 * LIMIT + 1)).toBeNull();
  });

  it('ends all the same for a sequence that hears nothing for far too long', () => {
    for (let now = 0; now <= 30 * LIMIT; now += 2_000) tell(0, now, now);
    expect(progress.problem(route, 0, 30 * LIMIT)).toMatchObject({ message: 'no answer within 240 s' });
  });
});
