import { create } from '@bufbuild/protobuf';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { ensureDaprd } from '../../scripts/lib/local/daprd.js';
import { ManagedProcess } from '../../scripts/lib/local/processes/kept-process.js';
import { freePorts } from '../../scripts/lib/local/processes/ports.js';
import { readRunFile, type AppEntry } from '../../scripts/lib/local/run/run-file.js';
import { RunFolder } from '../../scripts/lib/local/run/run-folder.js';
import { sidecarArguments, type SidecarPorts } from '../../scripts/lib/local/processes/member.js';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { connect } from '../../services/lib/mesh/caller-link.js';
import { openStream, StreamClient } from '../../services/lib/mesh/grpc-stream.js';
import type { Identity } from '../../services/lib/mesh/identity.js';
import { serveLinks, type LinkServer } from '../../services/lib/mesh/link-server.js';
import { StatusSchema } from '../../services/lib/wire/gen/stage_pb.js';
import { eventually } from '../support/eventually.js';

interface Sidecar {
  readonly process: ManagedProcess;
  readonly ports: SidecarPorts;
}

/** Sidecars as the local system starts them, with the repository's policies, and what the test needs beside them. */
describe('the policies of dapr/resiliency.yaml, on real sidecars', () => {
  let folder: RunFolder;
  let gatewayApp: AppEntry;
  let stageApp: AppEntry;
  let daprd: string;
  const sidecars: Sidecar[] = [];

  beforeAll(async () => {
    daprd = (await ensureDaprd())!;
    folder = new RunFolder((await freePorts(1))[0]!);
    await folder.renew();
    const { gateway, stages } = await readRunFile();
    gatewayApp = await folder.localize(gateway);
    stageApp = await folder.localize(stages[1]!);
  });
  afterAll(async () => {
    await Promise.all(sidecars.map(({ process }) => process.stop(3_000)));
    await folder.remove();
  });

  const startSidecar = async (app: AppEntry, appPort: number | null): Promise<Sidecar> => {
    const [http, grpc, internalGrpc, metrics] = (await freePorts(4)) as [number, number, number, number];
    const ports = { http, grpc, internalGrpc, metrics, app: appPort };
    const process_ = new ManagedProcess({
      name: 'daprd',
      command: [daprd, ...sidecarArguments(app, ports)],
      directory: app.directory,
      env: process.env,
      logPath: folder.log(`daprd-${http}`),
    });
    const sidecar = { process: process_, ports };
    sidecars.push(sidecar);
    const ready = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${http}/v1.0/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually('a sidecar', ready, 60_000);
    return sidecar;
  };
  /** How often a policy has acted, not merely been applied; of a breaker, how often it came to a state. */
  const activations = async (
    { ports }: Sidecar,
    target: string,
    policy: 'timeout' | 'retry' | 'circuitbreaker',
    status = '',
  ): Promise<number> => {
    const page = await fetch(`http://127.0.0.1:${ports.metrics}/metrics`);
    const labels = `policy="${policy}",status="${status}",target="${target}"`;
    return new Scrape(await page.text()).total('dapr_resiliency_activations_total', labels);
  };

  describe('of the state store', () => {
    let gateway: Sidecar;
    beforeAll(async () => {
      gateway = await startSidecar(gatewayApp, null);
    }, 90_000);

    /** Another process keeps the store's file locked meanwhile, or until it is told to let go. */
    const whileLocked = async (task: (letGo: () => Promise<void>) => Promise<void>): Promise<void> => {
      const script = [
        'import sqlite3, sys',
        'store = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)',
        'store.execute("BEGIN IMMEDIATE")',
        'print("locked", flush=True)',
        'sys.stdin.read()',
      ].join('\n');
      const file = join(folder.path, 'layermesh-state.sqlite');
      const holder = spawn('python3', ['-c', script, file], { stdio: ['pipe', 'pipe', 'inherit'] });
      const ended = once(holder, 'exit');
      const letGo = async (): Promise<void> => {
        holder.kill();
        await ended;
      };
      try {
        await once(holder.stdout, 'data');
        await task(letGo);
      } finally {
        await letGo();
      }
    };
    const save = (key: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${gateway.ports.http}/v1.0/state/statestore`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ key, value: 1 }]),
      });
    const STORE = 'Statestore_statestore';

    it('cut a write short that does not come to an end, and try it again until it does', async () => {
      expect((await save('before')).status).toBe(204);
      await whileLocked(async (letGo) => {
        const saving = save('meanwhile');
        await eventually('a second try', async () => (await activations(gateway, STORE, 'retry')) > 0);
        await letGo();
        expect((await saving).status).toBe(204);
      });
      expect(await activations(gateway, STORE, 'timeout')).toBeGreaterThan(0);
    }, 60_000);

    it('give up after four tries, and then spare a store that stays away', async () => {
      await whileLocked(async () => {
        // Four tries each: with the last one there have been twenty failures in a row.
        const answers = await Promise.all(Array.from({ length: 5 }, (_, index) => save(`lost-${index}`)));
        expect(answers.map(({ ok }) => ok)).toEqual([false, false, false, false, false]);
        await eventually('a refusal at once', async () =>
          (await (await save('refused')).text()).includes('circuit breaker is open'),
        );
      });
      await eventually('writes again', async () => (await save('after')).ok);
      expect(await activations(gateway, STORE, 'circuitbreaker', 'open')).toBeGreaterThan(0);
      expect(await activations(gateway, STORE, 'circuitbreaker', 'closed')).toBeGreaterThan(0);
    }, 60_000);
  });

  describe('of openings', () => {
    const identity: Identity = {
      appId: 'stage-1',
      replica: 'r',
      host: 'here',
      pid: 1,
      plan: { modelDigest: 'd', precision: 'f32', activations: 'f32', split: [] },
    };
    const STAGE = 'app_stage-1';
    const servers: LinkServer[] = [];
    afterAll(() => servers.forEach((server) => server.close()));

    /** Something that answers links, and its sidecar. */
    const startReplica = async (replica: string): Promise<Sidecar> => {
      const server = await serveLinks({
        host: '127.0.0.1',
        port: 0,
        identity: { ...identity, replica },
        status: () => create(StatusSchema),
        onLink: () => undefined,
        onMessage: () => undefined,
        onEnd: () => undefined,
      });
      servers.push(server);
      return startSidecar(stageApp, server.port);
    };
    /**
     * Whether the resolver goes on giving out the name of a sidecar: it does for a few seconds after a death, but
     * nobody can say how many are left.
     */
    const giveOut = async ({ ports }: Sidecar, given: boolean): Promise<void> => {
      const script = [
        'import sqlite3, sys, time',
        'names = sqlite3.connect(sys.argv[1], timeout=30)',
        'seen = time.time() + 600 if sys.argv[3] == "true" else 0',
        'sql = "UPDATE hosts SET last_update = ? WHERE address = ?"',
        'changed = names.execute(sql, (int(seen), "127.0.0.1:" + sys.argv[2])).rowcount',
        'names.commit()',
        'sys.exit(changed != 1)',
      ].join('\n');
      const file = join(folder.path, 'layermesh-names.sqlite');
      const args = ['-c', script, file, String(ports.internalGrpc), String(given)];
      const { code, output } = await runTool('python3', args, { cwd: folder.path });
      if (code !== 0) throw new Error(`the name was not changed: ${output}`);
    };
    const die = async (sidecar: Sidecar): Promise<void> => {
      process.kill(sidecar.process.pid, 'SIGKILL');
      await sidecar.process.ended;
      await giveOut(sidecar, true);
    };

    it('try another replica while the name of a dead one is given out, and rest when all are dead', async () => {
      const [gateway, dying, living] = await Promise.all([
        startSidecar({ ...gatewayApp, appId: 'opener' }, null),
        startReplica('dying'),
        startReplica('living'),
      ]);
      const client = new StreamClient(`127.0.0.1:${gateway.ports.grpc}`);
      /** The replica that answers, or why none does. */
      const open = async (): Promise<string> => {
        const stream = openStream(client, { 'dapr-app-id': 'stage-1', 'dapr-stream': 'true' });
        const events = { onMessage: () => undefined, onEnd: () => undefined };
        try {
          const link = await connect(stream, { ...identity, appId: 'gateway' }, events);
          link.close();
          return link.replica;
        } catch (error) {
          return ServingError.from(error).message;
        }
      };
      try {
        const met = new Set<string>();
        await eventually('both replicas', async () => met.add(await open()).size === 2);
        await die(dying);
        const opened = await Promise.all(Array.from({ length: 16 }, open));
        // Without retries one in two would fail; with them one in 64.
        expect(opened.filter((replica) => replica === 'living').length).toBeGreaterThanOrEqual(12);
        expect(await activations(gateway, STAGE, 'retry')).toBeGreaterThan(0);

        await die(living);
        await eventually('a refusal at once', async () =>
          (await Promise.all(Array.from({ length: 5 }, open))).some((reason) =>
            reason.includes('circuit breaker is open'),
          ),
        );
        expect(await activations(gateway, STAGE, 'circuitbreaker', 'open')).toBeGreaterThan(0);

        await Promise.all([dying, living].map((dead) => giveOut(dead, false)));
        await startReplica('new');
        await eventually('a link again', async () => (await open()) === 'new');
      } finally {
        client.close();
      }
    }, 120_000);
  });
});
