import { createStageMetrics } from '../../../../services/stage/accounts/metrics.js';

const idle = { queueDepth: () => 0, sequences: () => 0, kvUsedRatio: () => 0 };

describe("a stage's metrics", () => {
  test.each([
    ['step_seconds_count', 'phase="prefill"'],
    ['step_seconds_count', 'phase="decode"'],
    ['batch_size_count', 'phase="prefill"'],
    ['batch_size_count', 'phase="decode"'],
    ['queue_seconds_count', 'phase="prefill"'],
    ['queue_seconds_count', 'phase="decode"'],
    ['link_bytes_total', 'direction="in"'],
    ['link_bytes_total', 'direction="out"'],
  ])('have %s{%s} from the start', async (name, label) => {
    const { registry } = createStageMetrics({ stage: '0', layers: '0-3' }, idle);
    const lines = (await registry.metrics()).split('\n');
    const found = lines.find((line) => line.startsWith(`layermesh_stage_${name}{`) && line.includes(label));
    expect(found).toMatch(/ 0$/);
  });
});
