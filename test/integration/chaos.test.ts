import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import type { Percentiles } from '../../scripts/lib/measure/figures/statistics.js';
import type { Observed } from '../../scripts/lib/chaos/report.js';
import { configOf, writeRandomModel } from '../../scripts/lib/model/random-model.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { SMALL, SMALL_MODEL } from '../support/local-system.js';
import { runCommands } from '../support/run-commands.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const door = join(repositoryRoot, 'scripts', 'run.mjs');

type Report = Pick<Observed, 'endings' | 'faults' | 'before' | 'after'> & { readonly health: Percentiles };

const CHAT_TEMPLATE =
  "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}";

describe('npm run chaos', () => {
  const folder = temporaryFolder();

  it('disturbs a system that it starts and stops, and finds nothing failed, changed or left', async () => {
    const model = join(folder.path, 'small.gguf');
    const config = configOf(SMALL, SMALL_MODEL);
    await writeRandomModel({ config, type: 'Q8_0', seed: 1, file: model, chatTemplate: CHAT_TEMPLATE });
    const json = join(folder.path, 'report.json');
    const faults = 'kill,stop,vanish,slow-send,flood';
    const served = ['--model', model, '--stages', '2', '--replicas', '2', '--mesh', 'dapr'];
    const asked = ['--duration', '10', '--faults', faults, ...served, '--json', json];
    const { code, output } = await runTool(process.execPath, [door, 'chaos', ...asked], {
      cwd: repositoryRoot,
      // Slow enough that answers run while something happens.
      env: { ...process.env, LAYERMESH_FAULT_STAGE: 'stage-1', LAYERMESH_FAULT_STEP_MS: '10' },
    });
    expect(output).toContain('Nothing failed, changed or was left behind.');
    expect(code).toBe(0);

    const { endings, health, ...report } = JSON.parse(await readFile(json, 'utf8')) as Report;
    const of = (kind: string) => endings.find((each) => each.kind === kind);
    expect(of('good')!.answered).toBeGreaterThan(3);
    // How many, depends on the machine.
    expect(of('flood')!.answered + of('flood')!.refused).toBeGreaterThan(20);
    expect(of('vanish')!.left).toBeGreaterThan(0);
    expect(health.p50).toBeGreaterThan(0);
    expect(report.faults.map(({ kind, done }) => [kind, done > 0])).toEqual(
      faults.split(',').map((kind) => [kind, true]),
    );
    expect(report.before.processes.map(({ name }) => name)).toEqual(
      report.after.processes.map(({ name }) => name),
    );
  }, 240_000);

  it('fails in one line where it cannot do as it is told', async () => {
    const refused = await runCommands([
      ['chaos', '--duration', '9'],
      ['chaos', '--faults', 'kill,murder'],
    ]);
    for (const { code, output } of refused) {
      expect(output).toMatch(/^error\[invalid_config\]: .*\n$/);
      expect(code).toBe(1);
    }
  });
});
