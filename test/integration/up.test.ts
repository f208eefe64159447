import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { commandsOf } from '../../scripts/bootstrap/commands.mjs';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { freePorts } from '../../scripts/lib/local/processes/ports.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { RunFolder } from '../../scripts/lib/local/run/run-folder.js';
import { isStillRunning, readRunState } from '../../scripts/lib/local/run/run-state.js';
import type { Topology } from '../../services/gateway/generation/backend.js';
import { eventually } from '../support/eventually.js';
import { isNoError, itRefuses, type Refusal } from '../support/refusals.js';
import { runCommands, type Ended } from '../support/run-commands.js';

const door = join(repositoryRoot, 'scripts', 'run.mjs');

const run = (command: string, ...args: string[]): Promise<{ code: number; output: string }> =>
  runTool(process.execPath, [door, command, ...args], { cwd: repositoryRoot });

const commands = [...commandsOf(repositoryRoot).keys(), 'k8s render', 'k8s doctor', 'k8s e2e'];

describe('every command', () => {
  let ended: Ended[];
  beforeAll(async () => {
    ended = await runCommands(commands.map((command) => [...command.split(' '), '--help']));
  }, 120_000);

  it.each(commands.map((command, index) => [command, index] as const))(
    '%s explains itself',
    (command, index) => {
      const { code, output } = ended[index]!;
      expect(output).toContain(`Usage: ${command}`);
      expect(code).toBe(0);
    },
  );

  it('that does not exist is refused', async () => {
    const { code, output } = await run('fly');
    expect(output).toMatch(/^error\[unknown_command\]/);
    expect(code).toBe(1);
  });
});

const REFUSED: readonly Refusal[] = [
  ['invalid_split', ['--split', '20,10']],
  ['invalid_split', ['--stages', '31']],
  ['invalid_config', ['--stages', '0']],
  ['invalid_config', ['--stages', '3', '--split', '10']],
  ['invalid_config', ['--replicas', 'stage-9=2']],
  ['invalid_config', ['--replicas', 'two']],
  ['invalid_config', ['--precision', 'int3']],
  ['invalid_config', ['--alias', 'a', '--alias', 'a']],
  ['invalid_config', ['--state', 'postgres']],
  ['invalid_config', ['--state', 'redis://127.0.0.1:1']],
  ['invalid_config', ['--wings']],
  ['model_path_missing', ['--model', './no/such/model.gguf']],
  ['not_a_checkpoint', ['--model', 'package.json']],
];

describe('up refuses in one line, and starts nothing', () => {
  let ports: number[];
  beforeAll(async () => {
    ports = await freePorts(REFUSED.length);
  });

  itRefuses('up', REFUSED, {
    args: (own, index) => ['--port', String(ports[index]!), ...own],
    isAside: isNoError,
  });

  it('leaves no state of a run behind', () => {
    for (const port of ports)
      expect(() => readRunState(new RunFolder(port).state)).toThrow('no local system');
  });

  it('port_in_use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const result = await run('up', '--port', String(port));
    server.close();
    expect(result.output).toMatch(/^error\[port_in_use\]: .*--port/);
    expect(result.code).toBe(1);
  });
});

describe('a running system', () => {
  let port = 0;
  let supervisor: ChildProcess;
  let output = '';
  const folder = (): RunFolder => new RunFolder(port);

  const up = async (...args: string[]): Promise<void> => {
    [port] = (await freePorts(1)) as [number];
    output = '';
    supervisor = spawn(process.execPath, [door, 'up', '--port', String(port), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: undefined, CI: undefined },
    });
    for (const stream of [supervisor.stdout!, supervisor.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    await eventually('it serves', () => output.includes('curl') || supervisor.exitCode !== null, 120_000);
    expect(output).toContain(`The console: http://127.0.0.1:${port}/\n`);
    expect(output).toContain(`Serving SmolLM2-135M-Instruct (int8) at http://127.0.0.1:${port}`);
  };

  afterEach(async () => {
    supervisor.kill('SIGKILL');
    await run('down', '--port', String(port));
    await folder().remove();
  }, 60_000);

  const topology = async (): Promise<Topology> =>
    (await (await fetch(`http://127.0.0.1:${port}/topology`)).json()) as Topology;

  it('is scaled by another command, answers, and stops in order at Ctrl-C', async () => {
    await up('--alias', 'gpt-4o-mini');
    const { processes } = readRunState(folder().state);
    expect(processes.map(({ kind }) => kind).sort()).toEqual([
      'gateway',
      ...Array<string>(4).fill('sidecar'),
      ...Array<string>(3).fill('stage'),
    ]);
    expect(processes.flatMap(openFiles).filter((file) => /onnxruntime\.db|mat-debug/.test(file))).toEqual([]);

    expect((await run('scale', 'stage-1=2', '--port', String(port))).code).toBe(0);
    expect((await topology()).stages.map(({ replicas }) => replicas.length)).toEqual([1, 2, 1]);
    const models = await fetch(`http://127.0.0.1:${port}/v1/models`);
    expect(await models.json()).toMatchObject({
      data: [
        { default_sampling_params: { temperature: 0.2, top_p: 0.9, top_k: 0 } },
        { id: 'gpt-4o-mini', root: 'SmolLM2-135M-Instruct' },
      ],
    });
    // The demo model may ramble until its context is full.
    const answer = await run('chat', '--port', String(port), '--max-tokens', '32', 'Say hello.');
    expect(answer.code).toBe(0);
    expect(answer.output.trim().length).toBeGreaterThan(0);
    expect((await run('scale', 'stage-1=1', '--port', String(port))).code).toBe(0);
    expect((await topology()).stages.map(({ replicas }) => replicas.length)).toEqual([1, 1, 1]);
    expect(await run('scale', 'stage-7=2', '--port', String(port))).toMatchObject({ code: 1 });

    const running = readRunState(folder().state).processes;
    supervisor.kill('SIGINT');
    expect(await once(supervisor, 'exit')).toEqual([0, null]);
    expect(running.filter(isStillRunning)).toEqual([]);
    const down = await run('down', '--port', String(port));
    expect(down.output).toMatch(/^error\[not_running\]/);
    expect(down.code).toBe(1);
  }, 240_000);

  // How it ends has nothing to do with how many stages it has: a gateway, a stage, and their sidecars.
  const SMALL = ['--stages', '1'];

  it('is left alone by a second up on its port, and when its supervisor is killed, stopped by the next', async () => {
    await up(...SMALL);
    const before = readRunState(folder().state);
    expect(statSync(folder().state).mode & 0o077).toBe(0);
    const second = await run('up', '--port', String(port));
    expect(second.output).toMatch(new RegExp(`^error\\[port_in_use\\]: .*pid ${before.supervisor}\\)`, 'm'));
    expect(second.code).toBe(1);
    expect(readRunState(folder().state)).toEqual(before);
    expect(before.processes.every(isStillRunning)).toBe(true);

    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    const third = await run('up', '--port', String(port), '--detach', ...SMALL);
    expect(third).toMatchObject({ code: 0 });
    expect(before.processes.filter(isStillRunning)).toEqual([]);
    const after = readRunState(folder().state);
    expect(after.processes.filter(isStillRunning)).toHaveLength(4);
    expect((await run('down', '--port', String(port))).code).toBe(0);
    expect(after.processes.filter(isStillRunning)).toEqual([]);
  }, 150_000);

  it('that lost its supervisor is found and stopped by down', async () => {
    await up(...SMALL);
    const { processes } = readRunState(folder().state);
    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    expect(processes.filter(isStillRunning)).toHaveLength(4);
    expect((await run('down', '--port', String(port))).code).toBe(0);
    expect(processes.filter(isStillRunning)).toEqual([]);
  }, 150_000);
});

function openFiles({ pid }: { readonly pid: number }): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(join(folder, name))];
    } catch {
      return []; // closed meanwhile
    }
  });
}
