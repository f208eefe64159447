import { join } from 'node:path';
import { ensureCompiled } from '../../scripts/bootstrap/compile.mjs';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';

const program = join(import.meta.dirname, 'commands-in-turn.mjs');

/** How a command ended. */
export interface Ended {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
}

/**
 * Runs commands, such as `['scale', '--help']`, one after the other in one process: a process for each takes most of its
 * time to load what the command stands on. For those that end at once; what starts something goes through scripts/run.mjs.
 */
export async function runCommands(
  commands: readonly (readonly string[])[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended[]> {
  await ensureCompiled(repositoryRoot);
  const words = commands.map((each) => JSON.stringify(each));
  const { code, output } = await runTool(process.execPath, [program, ...words], { cwd: repositoryRoot, env });
  const lines = output.split('\n').filter((line) => line.startsWith('{"code":'));
  if (code !== 0 || lines.length !== commands.length) throw new Error(`ended with ${code}: ${output}`);
  return lines.map((line) => JSON.parse(line) as Ended);
}
