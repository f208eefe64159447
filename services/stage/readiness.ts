import type { RequestListener, ServerResponse } from 'node:http';
import { metricsPage, type MetricsRegistry } from '../lib/telemetry/metrics.js';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { GATEWAY } from '../lib/config/app-id.js';
import { ServingError } from '../lib/errors/serving-error.js';
import { misfitOfRecord, type AnnouncedPlan } from '../lib/mesh/identity.js';
import type { Registry, ReplicaRecord } from '../lib/mesh/types.js';

export interface ReadinessOptions {
  readonly registry: Pick<Registry, 'list'>;
  readonly plan: AnnouncedPlan;
  /** App-ids of all stages of the plan. */
  readonly stages: readonly string[];
  readonly log: Pick<Logger, 'warn'>;
  /** Between two looks at the registry, ms. */
  readonly lookMs: number;
}

/**
 * Whether a replica is ready, for its probe: a rollout goes on with the next replica, and takes an old one away, when
 * the new one is. So one that nobody could talk to does not become ready (`whyUseless`). Once it is ready it stays so,
 * whoever comes: what others do must not take away what serves.
 */
export class Readiness {
  readonly #options: ReadinessOptions;
  readonly #ended = new AbortController();
  #reason: string | null = 'not announced yet';

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** Why it is not ready; null when it is. */
  get reason(): string | null {
    return this.#reason;
  }

  /** It cannot be announced, as long as that is tried. */
  unlisted(reason: string): void {
    if (this.#reason !== null) this.#reason = `not announced yet: the registry cannot be reached: ${reason}`;
  }

  /** Once it is announced: looks until the mesh has use for it, or it is ended. */
  async settle(): Promise<void> {
    const { lookMs, log } = this.#options;
    const { signal } = this.#ended;
    for (;;) {
      const reason = await whyUseless(this.#options).catch(
        (error: unknown) => `the registry cannot be read: ${ServingError.from(error).message}`,
      );
      if (signal.aborted) return;
      if (reason !== null && reason !== this.#reason) log.warn({ reason }, 'not ready');
      this.#reason = reason;
      if (reason === null) return;
      await delay(lookMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Not ready from now on. */
  end(reason: string): void {
    this.#ended.abort();
    this.#reason = reason;
  }
}

/**
 * Why the mesh has no use for a replica of this plan: others serve another one, and nobody yet serves this one as each
 * of its stages and as a gateway. Null when nobody is there who disagrees, or everybody who is needed agrees: so a
 * change of all services at once goes through, one of a single service does not.
 */
async function whyUseless({ registry, plan, stages }: ReadinessOptions): Promise<string | null> {
  const services = await Promise.all(
    [GATEWAY, ...stages].map(async (appId) => ({
      appId,
      replicas: (await registry.list(appId)).filter(isHeard),
    })),
  );
  const disagreeing = new Map<string, string[]>();
  for (const { appId, replicas } of services) {
    for (const differs of new Set(replicas.flatMap((each) => misfitOfRecord(each, plan) ?? []))) {
      disagreeing.set(differs, [...(disagreeing.get(differs) ?? []), appId]);
    }
  }
  // A gateway of a version that does not announce itself is no reason to wait for one that does.
  const missing = services.filter(
    ({ appId, replicas }) =>
      replicas.every((each) => misfitOfRecord(each, plan) !== null) &&
      (appId !== GATEWAY || replicas.length > 0),
  );
  if (disagreeing.size === 0 || missing.length === 0) return null;
  const found = [...disagreeing].map(([differs, others]) => `${others.join(', ')} with ${differs}`);
  return `nobody serves this plan as ${missing.map(({ appId }) => appId).join(', ')}; there is ${found.join('; ')}`;
}

type Heard = ReplicaRecord & { readonly plan: AnnouncedPlan };

const isHeard = (record: ReplicaRecord): record is Heard => !record.draining && record.plan !== undefined;

/**
 * A stage's own HTTP routes: `/health` while the process lives, `/ready` while it takes new sequences (503 with the
 * reason otherwise), `/metrics` for Prometheus. Without a framework: there may be many stages on a machine, and each would
 * load it for these three.
 */
export function createHttpApp(
  registry: MetricsRegistry,
  notReadyReason: () => string | null,
): RequestListener {
  const metrics = metricsPage(registry);
  const routes = new Map<string, RequestListener>([
    ['/health', (_request, response) => answer(response, 200, { status: 'ok' })],
    [
      '/ready',
      (_request, response) => {
        const reason = notReadyReason();
        if (reason === null) answer(response, 200, { status: 'ready' });
        else answer(response, 503, { status: 'not ready', reason });
      },
    ],
    [
      '/metrics',
      (request, response) => {
        metrics(request, response).catch((error: unknown) => {
          answer(response, 500, { status: 'failed', reason: ServingError.from(error).message });
        });
      },
    ],
  ]);
  return (request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const route = isRead ? routes.get(path) : undefined;
    if (route === undefined) answer(response, 404, { status: 'not found' });
    else route(request, response);
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
