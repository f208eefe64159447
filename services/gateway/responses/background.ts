import { setMaxListeners } from 'node:events';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { ResponseObject } from '../../lib/openai/responses/format.js';
import type { GenerationPlan } from '../answer/choice.js';
import { runPlan, wholeAnswer, type PlanRunner } from '../answer/run-plan.js';
import type { RequestTrace } from '../telemetry/request-trace.js';
import { isOver, type KeptResponse, type ResponseStore } from './response-store.js';
import type { Runners } from './runners.js';

/** Between two looks whether another gateway has ended it, and between two tries to keep its own end, ms. */
const LOOK_MS = 1_000;
/** A store that is gone for longer keeps it as running until its time has passed, or this process has ended. */
const MAX_TRIES = 60;

/**
 * Responses that run with nobody waiting for them at the other end of a connection: what becomes of them is kept, for whoever
 * asks. There are no more of them than admission lets run and wait.
 */
export class BackgroundResponses {
  readonly #store: ResponseStore;
  readonly #runners: Pick<Runners, 'id' | 'list'>;
  readonly #log: Pick<Logger, 'error'>;
  readonly #lookMs: number;
  readonly #running = new Map<string, { controller: AbortController; over: Promise<void> }>();
  readonly #stopped = new AbortController();

  constructor(
    store: ResponseStore,
    runners: Pick<Runners, 'id' | 'list'>,
    log: Pick<Logger, 'error'>,
    { lookMs = LOOK_MS } = {},
  ) {
    this.#store = store;
    this.#runners = runners;
    this.#log = log;
    this.#lookMs = lookMs;
    // Each that cannot keep its end listens; Node warns of a leak above ten.
    setMaxListeners(0, this.#stopped.signal);
  }

  /**
   * Runs a plan on a model, by whose format it makes the response, and keeps what becomes of it. `begun` is called once it waits for its place
   * or has it; where there is none to wait for, nothing is kept and this throws. Later it throws no more.
   */
  async run(
    model: PlanRunner,
    kept: KeptResponse,
    plan: GenerationPlan,
    trace: RequestTrace,
    begun: (response: ResponseObject) => void,
  ): Promise<void> {
    const { id } = kept.response;
    const queued = { ...kept.response, status: 'queued' } as const;
    await this.#runners.list();
    await this.#store.put({ ...kept, response: queued, runner: this.#runners.id });
    const controller = new AbortController();
    const ran = this.#answer(model, id, plan, trace, controller);
    try {
      await Promise.race([ran, setImmediate()]);
    } catch (error) {
      await this.#store.delete(id, kept.owner);
      throw error;
    }
    begun(queued);
    const over = this.#keepEnd(model, id, ran, trace, controller);
    this.#running.set(id, { controller, over });
    await over;
    this.#running.delete(id);
  }

  /**
   * The response, which runs no more, whichever gateway ran it. Throws `response_not_found`, and `invalid_value` for one that
   * somebody waits for.
   */
  async cancel(id: string, owner: string | null): Promise<ResponseObject> {
    const { response } = await this.#store.find(id, owner);
    if (!response.background) {
      throw new ServingError('invalid_value', 'only what runs in the background can be cancelled', {
        param: 'response_id',
        hint: 'close the connection to end any other',
      });
    }
    const ended = await this.#store.change(id, { status: 'cancelled' });
    this.#running.get(id)?.controller.abort(CANCELLED);
    return ended?.response ?? response;
  }

  /** Resolves when none runs any more. */
  async finish(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ over }) => over));
  }

  /** Ends what still runs; that it has failed is kept. */
  async close(): Promise<void> {
    this.#stopped.abort();
    const stopped = new ServingError('stream_broken', 'the gateway was stopped');
    for (const { controller } of this.#running.values()) controller.abort(stopped);
    await this.finish();
  }

  /** Resolves with the whole response. */
  async #answer(
    model: PlanRunner,
    id: string,
    plan: GenerationPlan,
    trace: RequestTrace,
    controller: AbortController,
  ): Promise<ResponseObject> {
    let body!: ResponseObject;
    await runPlan(model, plan, trace, controller, async (running) => {
      await this.#store.change(id, { status: 'in_progress' });
      const answer = await wholeAnswer(running);
      body = answer.body as ResponseObject;
      return answer.finished;
    });
    return body;
  }

  async #keepEnd(
    model: PlanRunner,
    id: string,
    ran: Promise<ResponseObject>,
    trace: RequestTrace,
    controller: AbortController,
  ): Promise<void> {
    const looking = setInterval(() => void this.#look(id, controller), this.#lookMs).unref();
    try {
      await this.#keep(id, await ran);
    } catch (reason) {
      // Whoever began it hears of no error, so it is told here how it ended.
      if (reason === CANCELLED) {
        trace.abandon();
        model.metrics.failed('client_disconnected');
      } else {
        trace.end(reason);
        await this.#fail(model, id, ServingError.from(reason));
      }
    } finally {
      clearInterval(looking);
    }
  }

  /**
   * Whether it was cancelled or deleted elsewhere, or this process was held for dead. A store that cannot be reached does not
   * end it.
   */
  async #look(id: string, controller: AbortController): Promise<void> {
    const status = await this.#store.statusOf(id).catch(() => 'in_progress' as const);
    if (status === null || isOver({ status })) controller.abort(CANCELLED);
  }

  async #fail({ metrics }: PlanRunner, id: string, error: ServingError): Promise<void> {
    const { code, kind } = error;
    metrics.failed(code);
    if (kind.http >= 500) this.#log.error({ err: error.cause ?? error, code, response: id }, error.message);
    const message = code === 'internal' ? 'internal error' : error.message;
    await this.#keep(id, { status: 'failed', error: { code, message } }).catch((reason: unknown) =>
      this.#log.error({ err: reason, response: id }, 'what became of a response could not be kept'),
    );
  }

  /** Its end, as soon as the store can be reached: nobody else could tell that it runs no more. */
  async #keep(id: string, end: Partial<ResponseObject>): Promise<void> {
    const { signal } = this.#stopped;
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#store.change(id, end);
        return;
      } catch (reason) {
        if (tries === MAX_TRIES || signal.aborted) throw reason;
        await delay(this.#lookMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }
}

/** By whoever asked for it, or because it was given up elsewhere; that it is so is kept already. */
const CANCELLED = new Error('the response was cancelled');
