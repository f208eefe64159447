import type { ServiceLevel } from '../measure/goodput.js';
import type { Machine } from './machine.js';

/** What one must know to judge a run, or to repeat it. */
export interface RunHeader {
  /** ISO, of its beginning. */
  readonly date: string;
  readonly command: string;
  readonly model: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly level: ServiceLevel;
  /** Of each arm. */
  readonly versions: Readonly<Record<string, string>>;
}

export function headerText(header: RunHeader): string {
  const { machine, level } = header;
  const versions = Object.entries(header.versions).map(([arm, version]) => `${arm} is ${version}`);
  return [
    `- Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.flags.join(' ')}, ${machine.memoryGib} GiB, ` +
      `${machine.system}, Node ${machine.node}`,
    `- Model: ${header.model}`,
    `- Date: ${header.date.slice(0, 10)}; ${header.rounds} rounds; ${versions.join('; ')}`,
    `- Good: TTFT ≤ ${level.ttft} ms and TPOT ≤ ${level.tpot} ms`,
    `- Command: \`${header.command}\``,
  ].join('\n');
}
