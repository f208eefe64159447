import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { rulesFolder } from '../support/rules.js';
import { describeRules } from '../support/telemetry.js';
import { temporaryFolder } from '../support/temporary-folder.js';

describeRules('the rules, in the eyes of Prometheus', (promtool) => {
  const folder = temporaryFolder();
  /** What promtool finds wrong. */
  const problems = async (...args: string[]): Promise<string> => {
    const { code, output } = await runTool(promtool, args, { cwd: rulesFolder });
    return code === 0 ? '' : output;
  };

  it.each(['recording.yaml', 'alerts.yaml'])('%s is valid', async (file) => {
    expect(await problems('check', 'rules', file)).toBe('');
  });

  it('fire when they should, and only then', async () => {
    expect(await problems('test', 'rules', join('tests', 'alerts.yaml'))).toBe('');
  });

  it('of the adapter add up what the gateways demand, and fall back on busy time where none tells', async () => {
    const { rules } = parse(await readFile(join(repositoryRoot, 'k8s', 'adapter', 'rules.yaml'), 'utf8')) as {
      rules: { name: { as: string }; seriesQuery: string; metricsQuery: string }[];
    };
    const rule = rules.find(({ name }) => name.as === 'layermesh_demanded_replicas')!;
    // As the adapter fills it in.
    const expr = rule.metricsQuery
      .replaceAll('<<.Series>>', rule.seriesQuery.split('{')[0]!)
      .replaceAll('<<.LabelMatchers>>', 'namespace="mesh",stage="stage-1"')
      .replaceAll('<<.GroupBy>>', 'stage');
    const demanded = (pod: string, stage: string, values: string) => ({
      series: `layermesh_demanded_replicas{namespace="mesh",pod="${pod}",stage="${stage}"}`,
      values,
    });
    const busy = (pod: string, values: string) => ({
      series: `layermesh_stage_busy_seconds_total{namespace="mesh",pod="${pod}",stage="stage-1"}`,
      values,
    });
    const gives = (eval_time: string, value: number) => ({
      expr: `round(${expr}, 0.001)`,
      eval_time,
      exp_samples: [{ labels: '{stage="stage-1"}', value }],
    });
    const tests = {
      evaluation_interval: '2s',
      tests: [
        {
          interval: '2s',
          input_series: [
            // Two gateways that are there from 40 s, when busy times of 30 s are known, to 80 s.
            demanded('gateway-a', 'stage-1', '_x19 1.25x20 stale'),
            demanded('gateway-b', 'stage-1', '_x19 0.5x20 stale'),
            demanded('gateway-a', 'stage-0', '_x19 9x20 stale'),
            // Two replicas that compute 0.7 and 0.35 of the time.
            busy('stage-1-a', '0+1.4x90'),
            busy('stage-1-b', '0+0.7x90'),
          ],
          promql_expr_test: [gives('36s', 1.5), gives('50s', 1.75), gives('100s', 1.5)],
        },
      ],
    };
    const file = join(folder.path, 'adapter.yaml');
    await writeFile(file, stringify(tests));
    expect(await problems('test', 'rules', file)).toBe('');
  });

  it('belong to a configuration that is valid', async () => {
    expect(await problems('check', 'config', join('..', 'prometheus', 'prometheus.yaml'))).toBe('');
  });
});
