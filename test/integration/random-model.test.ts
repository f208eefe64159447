import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { greedyTokens } from '../support/completions.js';
import { startSystem } from '../support/local-system.js';
import { itRefuses, type Refusal } from '../support/refusals.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const VOCABULARY = 1_000;
const SMALL = {
  layers: 3,
  hidden: 128,
  intermediate: 320,
  heads: 4,
  'kv-heads': 2,
  vocabulary: VOCABULARY,
  'max-positions': 256,
};

const REFUSED: readonly Refusal[] = [
  ['checkpoint_invalid', ['--heads', '3', '--out', 'model.gguf']],
  ['invalid_config', ['--hidden', '100', '--out', 'model.gguf']],
  ['invalid_config', []],
];

describe('npm run random-model', () => {
  const folder = temporaryFolder();

  it('writes a model that is prepared and answers as any other', async () => {
    const model = join(folder.path, 'small.gguf');
    const shape = Object.entries(SMALL).flatMap(([name, size]) => [`--${name}`, String(size)]);
    const door = join(repositoryRoot, 'scripts', 'run.mjs');
    const args = [door, 'random-model', ...shape, '--out', model];
    const { code, output } = await runTool(process.execPath, args, { cwd: repositoryRoot });
    expect([code, output.trim().split('\n').at(-1)]).toEqual([0, model]);

    const system = await startSystem({ model, mesh: 'direct', stages: 2 });
    try {
      const prompt = [300, 7, 999, 301, 302];
      const tokens = await greedyTokens(system.url, prompt, 24);
      expect(tokens).toHaveLength(24);
      expect(Math.max(...tokens)).toBeLessThan(VOCABULARY);
      // Weights of a wrong size give the same token for ever, whatever was asked.
      expect(new Set(tokens).size).toBeGreaterThan(4);
      expect(await greedyTokens(system.url, [...prompt].reverse(), 24)).not.toEqual(tokens);
      expect(await greedyTokens(system.url, prompt, 24)).toEqual(tokens);
    } finally {
      await system.stop();
    }
  }, 120_000);

  describe('fails in one line for what can be no model', () => {
    itRefuses('random-model', REFUSED);
  });
});
