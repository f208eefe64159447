import { voidReason } from '../../../../scripts/lib/measure/figures/validity.js';
import { stageCountersOf } from '../../../../scripts/lib/measure/figures/stage-counters.js';
import { unpublishableReason } from '../../../../scripts/lib/measure/bench/rows.js';
import type { Usage } from '../../../../scripts/lib/measure/types.js';
import { trialOf } from './records.js';

/** A stage's page after 1,000 steps of which so many were within a hundredth and a twentieth. */
const page = (onPoint: number, inTime: number): string => `
layermesh_stage_step_overshoot_ratio_bucket{le="0.01",stage="stage-0"} ${onPoint}
layermesh_stage_step_overshoot_ratio_bucket{le="0.05",stage="stage-0"} ${inTime}
layermesh_stage_step_overshoot_ratio_bucket{le="+Inf",stage="stage-0"} 1000
layermesh_stage_step_overshoot_ratio_count{stage="stage-0"} 1000
`;

const QUIET = { busy: 0.5, throttled: 0 };
const usage = (
  onPoint: number,
  inTime: number,
  host: Usage['host'] = QUIET,
): Pick<Usage, 'stages' | 'host'> => ({
  stages: [{ name: 'stage-0.1', counters: stageCountersOf(page(onPoint, inTime)) }],
  host,
});

describe('figures of a timed engine', () => {
  it.each([
    [usage(700, 995), null],
    [usage(700, 985), '2 % of the steps were late by more than 5 % of a step'],
    [usage(300, 999), '70 % of the steps were late by more than 1 % of a step'],
    [usage(700, 995, { busy: 0.75, throttled: 0 }), 'the machine was 75 % busy, more than 70 %'],
    [usage(700, 995, { busy: 0.5, throttled: 3 }), 'its processors were withheld in 3 periods'],
    [usage(700, 995, null), 'nobody knows how busy the machine was'],
  ])('are void when the machine did not keep up', (one, reason) => {
    expect(voidReason([one])).toBe(reason);
    expect(voidReason([usage(1_000, 1_000), one])).toBe(reason);
  });

  it('are what they are where an engine computes', () => {
    const stages = [{ name: 'stage-0.1', counters: stageCountersOf('') }];
    expect(voidReason([{ stages, host: { busy: 1, throttled: 9 } }])).toBeNull();
  });

  it('are not published when they are void', () => {
    expect(unpublishableReason([trialOf({ records: [], usage: usage(700, 900) })])).toBe(
      'the run is void: 10 % of the steps were late by more than 5 % of a step',
    );
  });
});
