import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { repositoryRoot } from '../../repository.js';
import { PipeTarget } from '../targets/pipe-target.js';
import type { Arm, Size } from '../types.js';
import type { PeerOptions } from './peer-options.js';

const SCRIPT = join(repositoryRoot, 'scripts', 'lib', 'bench', 'arms', 'openvino-genai.py');

const STOP_GRACE_MS = 5_000;

/** OpenVINO GenAI's continuous batching, in a Python process without HTTP: it has no server of its own. */
export function openVinoArm({ model, threads, python }: PeerOptions): Arm {
  return {
    name: 'openvino-genai',
    peer: true,
    sized: true,
    async start(size, signal) {
      const child = spawn(python, [SCRIPT, model, ...scriptArguments(size, threads)], {
        stdio: ['pipe', 'pipe', 'inherit'],
        signal,
      });
      const kill = (): unknown => child.kill('SIGKILL');
      process.once('exit', kill);
      // A program that can not be run tells so by an error, and closes too.
      child.on('error', () => undefined);
      const closed = new Promise((resolve) => child.once('close', resolve));
      void closed.then(() => process.off('exit', kill));
      const target = new PipeTarget(child.stdin, child.stdout);
      const version = await target.ready.catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new ServingError('process_failed', `${python} can not run OpenVINO GenAI`, { cause });
      });
      return {
        target,
        version: `openvino-genai ${version}`,
        processes: [{ name: 'openvino-genai', pid: child.pid! }],
        stages: [],
        async stop() {
          child.stdin.end();
          const timer = setTimeout(kill, STOP_GRACE_MS);
          await closed;
          clearTimeout(timer);
        },
      };
    },
  };
}

/** 1 GiB of keys and values for 32k tokens: more than enough for every model that this machine can serve fast. */
function scriptArguments({ clients, tokens }: Size, threads: number): string[] {
  const gib = Math.ceil((clients * tokens) / 32_768);
  return ['--threads', String(threads), '--clients', String(clients), '--cache-gib', String(gib)];
}
