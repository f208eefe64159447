import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { greedyTokens } from '../support/completions.js';
import { startSystem } from '../support/local-system.js';
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

describe('npm run random-model', () => {
  const folder = temporaryFolder();
  const randomModel = (...args: string[]) => {
    const door = join(repositoryRoot, 'scripts', 'run.mjs');
    return runTool(process.execPath, [door, 'random-model', ...args], { cwd: repositoryRoot });
  };

  it('writes a model that is prepared and answers as any other', async () => {
    const model = join(folder.path, 'small.gguf');
    const shape = Object.entries(SMALL).flatMap(([name, size]) => [`--${name}`, String(size)]);
    const { code, output } = await randomModel(...shape, '--out', model);
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

  it.each([
    ['checkpoint_invalid', ['--heads', '3', '--out', 'model.gguf']],
    ['invalid_config', ['--hidden', '100', '--out', 'model.gguf']],
    ['invalid_config', []],
  ])(
    'fails in one line with %s: %j',
    async (expected, args) => {
      const { code, output } = await randomModel(...args);
      expect(output.trim().split('\n')).toEqual([
        expect.stringMatching(new RegExp(`^error\\[${expected}\\]: `)),
      ]);
      expect(code).toBe(1);
    },
    60_000,
  );
});
