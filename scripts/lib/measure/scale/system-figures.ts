import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { LocalSystem, type SystemOptions } from '../../local/local-system.js';
import { readPage, Scrape } from '../../local/metrics-page.js';
import { readProcess } from '../figures/usage.js';
import { spread, sum, type Spread } from '../figures/statistics.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import type { Size } from './measure-status.js';

/** What a whole system of this machine takes up while it does nothing, and how fast it answers. */
export interface SystemFigures {
  readonly size: Size;
  readonly mesh: 'dapr' | 'direct';
  readonly startSeconds: number;
  readonly kinds: readonly KindFigures[];
  /** Streams that are held, and that replicas opened to invite their callers. */
  readonly links: { readonly held: number; readonly invitations: number };
  /** Requests to the state store, 1/s, and writes of them that came too late; null in the direct mesh. */
  readonly store: { readonly operations: number; readonly conflicts: number } | null;
  /** Bytes. */
  readonly topologyBytes: number;
  readonly metrics: { readonly gatewaySeries: number; readonly stageSeries: number };
  /** One request after the other: until the first token, and between two, ms. */
  readonly answer: { readonly firstMs: number; readonly tokenMs: number };
}

/** Processes of one kind: each, and all together. */
export interface KindFigures {
  readonly kind: 'gateway' | 'service' | 'gateway daprd' | 'stage daprd';
  readonly count: number;
  readonly rssBytes: Spread;
  /** What of it is its own, and its part of what is shared. */
  readonly pssBytes: Spread;
  /** Of a processor. */
  readonly idleShare: Spread;
}

/** What a service and its sidecar need before they do anything (docs/scale.md has what they take), and a good part more. */
const MEMBER_BYTES = { dapr: 145e6, direct: 115e6 };
/** Left to the rest of the machine. */
const RESERVE_BYTES = 1 << 30;
const SETTLE_MS = 10_000;
const WATCH_MS = 20_000;
const REQUESTS = 3;
const OUTPUT_TOKENS = 16;
const PROMPT = Array.from({ length: 32 }, (_, index) => 300 + index);

/** Starts so many stages and replicas, measures them, and stops them. */
export async function measureSystem(
  plan: SystemOptions,
  size: Size,
  signal: AbortSignal,
): Promise<SystemFigures> {
  const mesh = plan.daprd === null ? 'direct' : 'dapr';
  requireMemory(size, MEMBER_BYTES[mesh]);
  const stages = Array.from({ length: size.stages }, (_, index) => `stage-${index}`);
  const replicas = new Map(stages.map((appId) => [appId, size.replicas]));
  const started = performance.now();
  const system = await LocalSystem.start({ ...plan, replicas }, signal);
  try {
    const startSeconds = (performance.now() - started) / 1_000;
    const answer = await ask(new HttpTarget(system.url, openAiDialect(plan.modelName)), signal);
    await delay(SETTLE_MS, undefined, { signal });
    return { size, mesh, startSeconds, answer, ...(await watchIdle(system, signal)) };
  } finally {
    await system.remove();
  }
}

/** Rather than have the machine kill somebody: throws before anything is started. */
function requireMemory({ stages, replicas }: Size, memberBytes: number): void {
  const available =
    Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024;
  const needed = (stages * replicas + 1) * memberBytes + RESERVE_BYTES;
  if (needed <= available) return;
  const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
  const problem = `${stages} stages of ${replicas} replicas need ${gigabytes(needed)} GB, and ${gigabytes(available)} are free`;
  throw new ServingError('process_failed', problem, { hint: 'name smaller --sizes' });
}

async function ask(target: HttpTarget, signal: AbortSignal): Promise<SystemFigures['answer']> {
  const first: number[] = [];
  const token: number[] = [];
  for (let request = 0; request < REQUESTS; request++) {
    const at: number[] = [];
    const sent = performance.now();
    const completion = { prompt: PROMPT.map((id) => id + request), outputTokens: OUTPUT_TOKENS };
    await target.complete(completion, () => at.push(performance.now()), signal);
    first.push(at[0]! - sent);
    token.push((at.at(-1)! - at[0]!) / (OUTPUT_TOKENS - 1));
  }
  return { firstMs: spread(first)!.median, tokenMs: spread(token)!.median };
}

/** What it takes while nobody asks anything. */
async function watchIdle(
  system: LocalSystem,
  signal: AbortSignal,
): Promise<Omit<SystemFigures, 'size' | 'mesh' | 'startSeconds' | 'answer'>> {
  const processes = processesOf(system);
  const read = async () => ({
    cpu: processes.map(({ pid }) => readProcess(pid)!.cpuSeconds),
    store: await readStore(system, signal),
    at: performance.now(),
  });
  const before = await read();
  await delay(WATCH_MS, undefined, { signal });
  const after = await read();
  const seconds = (after.at - before.at) / 1_000;
  const readings = processes.map(({ kind, pid }, index) => ({
    kind,
    rssBytes: readProcess(pid)!.rssBytes,
    pssBytes: readPss(pid),
    idleShare: (after.cpu[index]! - before.cpu[index]!) / seconds,
  }));
  const [one, other] = [before.store, after.store];
  const topology = await fetch(`${system.url}/topology`, { signal });
  return {
    kinds: [...new Set(processes.map(({ kind }) => kind))].map((kind) => {
      const of = readings.filter((reading) => reading.kind === kind);
      const spreadOf = (name: 'rssBytes' | 'pssBytes' | 'idleShare'): Spread =>
        spread(of.map((reading) => reading[name]))!;
      return {
        kind,
        count: of.length,
        rssBytes: spreadOf('rssBytes'),
        pssBytes: spreadOf('pssBytes'),
        idleShare: spreadOf('idleShare'),
      };
    }),
    links: countLinks(system),
    store:
      one === null || other === null
        ? null
        : {
            operations: (other.operations - one.operations) / seconds,
            conflicts: (other.failed - one.failed) / seconds,
          },
    topologyBytes: (await topology.text()).length,
    metrics: await countSeries(system, signal),
  };
}

interface KnownProcess {
  readonly kind: KindFigures['kind'];
  readonly pid: number;
}

const processesOf = ({ members }: LocalSystem): KnownProcess[] =>
  members.flatMap(({ appId, service, sidecar }): KnownProcess[] => {
    const gateway = appId === 'gateway';
    return [
      { kind: gateway ? 'gateway' : 'service', pid: service.pid },
      ...(sidecar === null
        ? []
        : [{ kind: gateway ? 'gateway daprd' : 'stage daprd', pid: sidecar.pid } as const]),
    ];
  });

/** By what each service has logged. */
function countLinks({ members, folder }: LocalSystem): SystemFigures['links'] {
  const count = (text: string, what: string): number => text.split(`"msg":"${what}"`).length - 1;
  const logs = members.map(({ service }) => readFileSync(folder.log(service.name), 'utf8'));
  const invitations = logs.flatMap((log) =>
    [...log.matchAll(/"opens":(\d+)/g)].map(([, opens]) => Number(opens)),
  );
  return {
    held: sum(logs.map((log) => count(log, 'link up') - count(log, 'link down'))),
    invitations: sum(invitations),
  };
}

/** What all sidecars have asked of the state store so far, by their own metrics; null where there are none. */
async function readStore(
  { members }: LocalSystem,
  signal: AbortSignal,
): Promise<{ operations: number; failed: number } | null> {
  const ports = members.flatMap(({ sidecar, ports: { metrics } }) => (sidecar === null ? [] : [metrics]));
  if (ports.length === 0) return null;
  const pages = await Promise.all(ports.map((port) => readPage(`http://127.0.0.1:${port}/metrics`, signal)));
  const scrapes = pages.map((page) => new Scrape(page ?? ''));
  const total = (label?: string): number =>
    sum(scrapes.map((scrape) => scrape.total('dapr_component_state_count', label)));
  return { operations: total(), failed: total('success="false"') };
}

async function countSeries(
  { url, members }: LocalSystem,
  signal: AbortSignal,
): Promise<SystemFigures['metrics']> {
  const stage = members.find(({ appId }) => appId !== 'gateway')!;
  const count = async (base: string): Promise<number> =>
    ((await readPage(`${base}/metrics`, signal)) ?? '').split('\n').filter((line) => /^[a-z]/.test(line))
      .length;
  return {
    gatewaySeries: await count(url),
    stageSeries: await count(`http://127.0.0.1:${stage.healthPort}`),
  };
}

/** Proportional set size, bytes: what is shared counts by how many share it. */
const readPss = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]) * 1024;
