import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Precision } from '../../services/lib/engine/types.js';
import { greedyTokens } from '../support/completions.js';
import { startSystem } from '../support/local-system.js';

const MIB = 1 << 20;
const PROMPT = Array.from({ length: 200 }, (_, index) => 500 + index);

/** RSS of every stage once it has computed, as /topology prints it, bytes. */
async function stageMemory(precision: Precision, split: readonly number[]): Promise<number[]> {
  const system = await startSystem({ mesh: 'direct', split, precision });
  try {
    await greedyTokens(system.url, PROMPT, 8);
    // A status is two seconds old at most; the sequence that it counts has been closed by then.
    const { stages } = await system.topology();
    return stages.map(({ replicas }) => replicas[0]!.rss_bytes);
  } finally {
    await system.stop();
  }
}

/** RSS of a process that has loaded all a stage's modules and no weights: what each process costs by itself. */
async function baseMemory(): Promise<number> {
  const program = `
    process.on('exit', () => {
      console.log(process.memoryUsage.rss());
      process.exitCode = 0;
    });
    await import('onnxruntime-node');
    // Without a configuration it ends once everything is loaded.
    await import('./dist/stage/main.js');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  return Number(stdout);
}

it('in f32, three stages hold between them little more than one process', async () => {
  const [unsplit] = await stageMemory('f32', []);
  const split = await stageMemory('f32', [10, 20]);
  const base = await baseMemory();
  const sum = split.reduce((total, rss) => total + rss, 0);
  const inMib = (bytes: number): string => (bytes / MIB).toFixed(0);
  console.info(
    `unsplit ${inMib(unsplit!)} MiB; split ${split.map(inMib).join(' + ')} = ${inMib(sum)} MiB; base ${inMib(base)} MiB`,
  );
  expect(sum).toBeLessThan(1.25 * unsplit! + split.length * base);
  // Each holds its third of the layers, the last the head too.
  for (const rss of split) expect(rss - base).toBeLessThan(0.75 * (unsplit! - base));
}, 120_000);
