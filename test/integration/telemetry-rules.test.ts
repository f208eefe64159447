import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { rulesFolder } from '../support/rules.js';
import { describeRules } from '../support/telemetry.js';

describeRules('the rules, in the eyes of Prometheus', (promtool) => {
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

  it('belong to a configuration that is valid', async () => {
    expect(await problems('check', 'config', join('..', 'prometheus', 'prometheus.yaml'))).toBe('');
  });
});
