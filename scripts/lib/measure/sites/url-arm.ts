import { hostname } from 'node:os';
import type { Topology } from '../../../../services/gateway/generation/backend.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { readPage } from '../../local/metrics-page.js';
import { RunFolder } from '../../local/run/run-folder.js';
import { leftIn } from '../../local/run/run-state.js';
import { clientKey, operatorKey } from '../../shown-keys.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import type { Arm, WatchedProcess } from '../types.js';

/** An OpenAI-compatible server that runs already. */
export function urlArm(url: string): Arm {
  return {
    name: new URL(url).host,
    peer: false,
    sized: false,
    async start(_size, signal) {
      const models = (await getJson(`${url}/v1/models`, signal, clientKey())) as {
        data: { id: string }[];
      } | null;
      const model = models?.data[0]?.id;
      if (model === undefined) throw new ServingError('not_running', `no model is served at ${url}`);
      return {
        target: new HttpTarget(url, openAiDialect(model)),
        version: model,
        processes: recordedProcesses(url) ?? (await listedProcesses(url, signal)),
        stages: [],
        stop: () => Promise.resolve(),
      };
    },
  };
}

/** What a local system has written down of itself, sidecars and gateway included; null where there is none. */
function recordedProcesses(url: string): WatchedProcess[] | null {
  const { hostname: host, port } = new URL(url);
  if (host !== '127.0.0.1' && host !== 'localhost') return null;
  const processes = leftIn(new RunFolder(Number(port)));
  return processes.length === 0 ? null : processes;
}

/** The layer services that its topology lists on this machine. */
async function listedProcesses(url: string, signal: AbortSignal): Promise<WatchedProcess[]> {
  const topology = (await getJson(`${url}/topology`, signal, operatorKey())) as Topology | null;
  return (topology?.stages ?? []).flatMap(({ app_id, replicas }) =>
    replicas
      .filter(({ host }) => host === hostname())
      .map(({ id, pid }) => ({ name: `${app_id}/${id}`, pid })),
  );
}

async function getJson(url: string, signal: AbortSignal, headers: Record<string, string>): Promise<unknown> {
  const page = await readPage(url, signal, headers);
  signal.throwIfAborted();
  return page === null ? null : JSON.parse(page);
}
