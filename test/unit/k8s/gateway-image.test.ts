import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repositoryRoot } from '../../../scripts/lib/repository.js';

const IMPORT =
  /^(?:import|export)\s(?!type\s)[^'"`;]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]/gm;

/** Every file and package that is loaded with `entry`, by the sources, in which types are imported as such. */
function loadedWith(entry: string): Set<string> {
  const loaded = new Set<string>();
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (loaded.has(file)) continue;
    loaded.add(file);
    if (!file.endsWith('.ts')) continue;
    for (const [, from, dynamic, bare] of readFileSync(join(repositoryRoot, file), 'utf8').matchAll(IMPORT)) {
      const name = from ?? dynamic ?? bare!;
      waiting.push(name.startsWith('.') ? join(dirname(file), name).replace(/\.js$/, '.ts') : name);
    }
  }
  return loaded;
}

describe("the gateway's image", () => {
  it('needs neither ONNX Runtime nor the engine, which it does not hold', () => {
    const loaded = loadedWith('services/gateway/main.ts');
    expect(loaded.size).toBeGreaterThan(60);
    expect([...loaded].filter((name) => /onnx|services\/(lib\/engine|stage)\//.test(name))).toEqual([]);
  });

  it('would be found out: the same look at a stage sees both', () => {
    const loaded = loadedWith('services/stage/engine/engine-worker.ts');
    expect(loaded).toContain('onnxruntime-node');
    expect(loaded).toContain('services/lib/engine/onnx-engine.ts');
  });
});
