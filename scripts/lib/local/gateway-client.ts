import type { Topology } from '../../../services/gateway/generation/backend.js';
import type { Report } from '../../../services/gateway/report/report.js';
import type { Environment } from '../../../services/lib/config/environment.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { operatorKey } from '../shown-keys.js';
import { waitUntil } from '../wait-until.js';
import { Scrape } from './metrics-page.js';

const POLL_MS = 100;
const CALL_TIMEOUT_MS = 5_000;

/** The gateway's operational endpoints, as the commands use them. */
export class GatewayClient {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** Shows the operator's key that is in the environment. */
  constructor(url: string, environment: Environment = process.env) {
    this.url = url;
    this.#headers = operatorKey(environment);
  }

  /** Null when a request can be served; else the reason why not. */
  async notReadyReason(): Promise<string | null> {
    try {
      const response = await this.#get('/ready');
      return response.ok ? null : await response.text();
    } catch (error) {
      return `the gateway does not answer: ${String(error)}`;
    }
  }

  /** Where a browser finds the console; null where it is switched off. */
  async consoleUrl(): Promise<string | null> {
    const { ok } = await this.#get('/');
    return ok ? `${this.url}/` : null;
  }

  async topology(): Promise<Topology> {
    return (await answerOf(await this.#get('/topology'))) as Topology;
  }

  /** Throws what the gateway says: `nothing_measured` where nothing has run in the window. */
  async report(windowSeconds: number): Promise<Report> {
    return (await answerOf(await this.#get(`/report?window=${windowSeconds}`))) as Report;
  }

  /** The values of its metrics, with this label where one is named; 0 of what has not been counted yet. */
  async metrics(label = ''): Promise<(name: string) => number> {
    const scrape = new Scrape(await (await this.#get('/metrics')).text());
    return (name) => scrape.total(`layermesh_${name}`, label);
  }

  /**
   * Waits until a request can be served and `isComplete` likes the topology; throws `stage_unavailable` with the
   * gateway's reason when that takes longer than `timeoutMs`.
   */
  async waitUntilReady(
    isComplete: (topology: Topology) => boolean,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<Topology> {
    const look = async (): Promise<Topology | null> => {
      if ((await this.notReadyReason()) !== null) return null;
      const topology = await this.topology();
      return isComplete(topology) ? topology : null;
    };
    const complete = await waitUntil(look, { every: POLL_MS, limit: timeoutMs, signal });
    if (complete !== null) return complete;
    const what = (await this.notReadyReason()) ?? 'some replicas are missing in the topology';
    throw new ServingError('stage_unavailable', `not ready after ${timeoutMs / 1000} s: ${what}`);
  }

  async #get(path: string): Promise<Response> {
    try {
      const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
      return await fetch(`${this.url}${path}`, { headers: this.#headers, signal });
    } catch (cause) {
      throw new ServingError('not_running', `nothing answers at ${this.url}`, { cause });
    }
  }
}

/** Throws what the gateway says. */
async function answerOf(response: Response): Promise<unknown> {
  const body = await response.json();
  if (response.ok) return body;
  const { code, message } = (body as { error: { code: string; message: string } }).error;
  throw ServingError.received(code, message);
}
