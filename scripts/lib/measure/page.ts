import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, homedir, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { availableThreads } from '../../../services/lib/engine/processors.js';
import { repositoryRoot, writeWhole } from '../repository.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** Of the instruction sets that decide how fast a model runs. */
  readonly flags: readonly string[];
  readonly memoryGib: number;
  readonly system: string;
  readonly node: string;
}

/** For the reader. */
export const machineText = ({ cpu, cores, flags, memoryGib, system, node }: Machine): string =>
  `${cpu}, ${cores} cores, ${flags.join(' ')}, ${memoryGib} GiB, ${system}, Node ${node}`;

const DECIDING_FLAGS = [
  'avx2',
  'avx_vnni',
  'avx512f',
  'avx512_vnni',
  'avx512_bf16',
  'amx_int8',
  'amx_bf16',
  'asimd',
  'asimddp',
  'i8mm',
  'sve',
];

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableThreads(),
    flags: decidingFlags(cpuInfo()),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
}

/** `flags` on x86, `Features` on ARM. */
export function decidingFlags(cpuinfo: string): string[] {
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  const present = new Set(line.split(' '));
  return DECIDING_FLAGS.filter((flag) => present.has(flag));
}

/** Of processors on which the same kernels run, by the best that they have: results of one kind say little of another. */
export function processorKind({ flags }: Pick<Machine, 'flags'>): string {
  if (flags.includes('amx_int8')) return 'AMX';
  if (flags.some((flag) => flag.endsWith('_vnni'))) return 'VNNI';
  return flags.includes('asimd') ? 'ARM' : 'AVX2';
}

function cpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

/** Version of this package and, in a clone, its commit; `-dirty` where that is not what was measured. */
export function ownVersion(root = repositoryRoot): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  try {
    const describe = ['describe', '--always', '--dirty', '--exclude', '*'];
    const commit = execFileSync('git', describe, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return `layermesh ${version} (${commit.trim()})`;
  } catch {
    return `layermesh ${version}`;
  }
}

export const RESULTS_PAGE = join(repositoryRoot, 'docs', 'benchmarks.md');
/** What takes the time of a GPU and computes nothing stands beside nothing that computes. */
export const TIMED_RESULTS_PAGE = join(repositoryRoot, 'docs', 'benchmarks', 'timed.md');

/** The page with what stands under a heading, up to the next one of its rank or above, replaced; at its end where it is not there yet. */
export function withSection(page: string, title: string, text: string, rank: 2 | 3 = 2): string {
  const heading = `${'#'.repeat(rank)} ${title}\n`;
  const at = page.indexOf(`\n${heading}`) + 1;
  const before = at === 0 ? `${page.trimEnd()}\n\n` : page.slice(0, at);
  const rest = at === 0 ? '' : page.slice(at);
  const next = rest.search(rank === 2 ? /\n## / : /\n###? /);
  const after = next === -1 ? '' : rest.slice(next);
  return `${before}${heading}\n${text.trim()}\n${after}`;
}

export const writeSection = (title: string, text: string, path = RESULTS_PAGE): void =>
  writeWhole(path, withSection(readFileSync(path, 'utf8'), title, text));

export const writeResults = (results: string, path = RESULTS_PAGE): void =>
  writeSection('Results', results, path);

/** What repeats the measurement. */
export const commandLine = (command: string): string =>
  [`npm run ${command} --`, ...process.argv.slice(2)].join(' ').replaceAll(homedir(), '~');
