import type { Topology } from '../../../services/gateway/generation/backend.js';
import type { Report } from '../../../services/gateway/report/report.js';
import type { Environment } from '../../../services/lib/config/environment.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { operatorKey } from '../shown-keys.js';
import { waitUntil } from '../wait-until.js';
import { Scrape } from './metrics-page.js';

const POLL_MS = 100;
const CALL_TIMEOUT_MS = 5_000;

/** Of each model, the first first. */
type Topologies = readonly [Topology, ...Topology[]];

/** The gateway's operational endpoints, as the commands use them. */
export class GatewayClient {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** Shows the operator's key that is in the environment. */
  constructor(url: string, environment: Environment = process.env) {
    this.url = url;
    this.#headers = operatorKey(environment);
  }

  /** Null when a request can be served, by this model or by any; else the reason why not. */
  async notReadyReason(model?: string): Promise<string | null> {
    try {
      const response = await this.#get(`/ready${about(model)}`);
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

  /** Of a model, the first by default. */
  async topology(model?: string): Promise<Topology> {
    return (await answerOf(await this.#get(`/topology${about(model)}`))) as Topology;
  }

  /** Of each model, the first first. */
  async topologies(): Promise<Topologies> {
    const first = await this.topology();
    const further = (first.models ?? []).filter((model) => model !== first.model);
    return [first, ...(await Promise.all(further.map((model) => this.topology(model))))];
  }

  /** Throws what the gateway says: `nothing_measured` where nothing has run in the window. */
  async report(windowSeconds: number, model?: string): Promise<Report> {
    const query = new URLSearchParams({
      window: String(windowSeconds),
      ...(model !== undefined && { model }),
    });
    return (await answerOf(await this.#get(`/report?${query.toString()}`))) as Report;
  }

  /** The values of its metrics, with this label where one is named; 0 of what has not been counted yet. */
  async metrics(label = ''): Promise<(name: string) => number> {
    const scrape = new Scrape(await (await this.#get('/metrics')).text());
    return (name) => scrape.total(`layermesh_${name}`, label);
  }

  /**
   * Waits until each model can answer a request and `isComplete` likes their topologies; throws `stage_unavailable` with the
   * gateway's reason when that takes longer than `timeoutMs`.
   */
  async waitUntilReady(
    isComplete: (topologies: Topologies) => boolean,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<Topologies> {
    let reason = null as string | null;
    const look = async (): Promise<Topologies | null> => {
      reason = await this.notReadyReason();
      if (reason !== null) return null;
      const topologies = await this.topologies();
      // The gateway is ready when one of its models is.
      for (const { model } of topologies.length > 1 ? topologies : [])
        reason ??= await this.notReadyReason(model);
      return reason === null && isComplete(topologies) ? topologies : null;
    };
    const complete = await waitUntil(look, { every: POLL_MS, limit: timeoutMs, signal });
    if (complete !== null) return complete;
    const what = reason ?? 'some replicas are missing in the topology';
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

const about = (model: string | undefined): string =>
  model === undefined ? '' : `?model=${encodeURIComponent(model)}`;

/** Throws what the gateway says. */
async function answerOf(response: Response): Promise<unknown> {
  const body = await response.json();
  if (response.ok) return body;
  const { code, message } = (body as { error: { code: string; message: string } }).error;
  throw ServingError.received(code, message);
}
