import { ServingError } from '../../lib/errors/serving-error.js';
import type { GenerationSettings } from '../../lib/openai/generation-fields.js';
import type { ServedModel } from '../../lib/openai/served-model.js';
import { Bucket } from './bucket.js';

/** What the list of keys says of a tenant. */
export interface TenantSettings {
  readonly name: string;
  /** SHA-256 of each of its keys. */
  readonly digests: readonly Buffer[];
  /** By any of their names; null: all. */
  readonly models: readonly string[] | null;
  /** Null is without a limit, here and below. */
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** Requests at once. */
  readonly concurrency: number | null;
  /** Tenants with the same one share what the prefix cache holds. */
  readonly cacheSalt: string;
  /** The most urgent that its requests may be; as in vLLM, less is sooner. */
  readonly priority: number;
}

/** Tokens that a request may take. */
export interface TokenCost {
  readonly prompt: number;
  /** Of all its choices together, at most. */
  readonly output: number;
}

/** One who may ask: what is theirs to use, and how much of it is left in this gateway. */
export class Tenant {
  readonly #now: (() => number) | undefined;
  #settings: TenantSettings;
  #requests: Bucket | null;
  #tokens: Bucket | null;
  #running = 0;

  /** `now`: a monotonic clock, milliseconds. */
  constructor(settings: TenantSettings, now?: () => number) {
    this.#now = now;
    this.#settings = settings;
    this.#requests = this.#resized(null, settings.requestsPerMinute);
    this.#tokens = this.#resized(null, settings.tokensPerMinute);
  }

  get name(): string {
    return this.#settings.name;
  }

  /** Goes by what the list says now; what has been used stays used. */
  become(settings: TenantSettings): void {
    this.#settings = settings;
    this.#requests = this.#resized(this.#requests, settings.requestsPerMinute);
    this.#tokens = this.#resized(this.#tokens, settings.tokensPerMinute);
  }

  mayUse({ id, aliases }: Pick<ServedModel, 'id' | 'aliases'>): boolean {
    const { models } = this.#settings;
    return models === null || models.some((name) => name === id || aliases.includes(name));
  }

  /**
   * What its requests may have of what they ask for: no more urgency than is the tenant's, and a part of the prefix cache
   * that no other tenant can name, for whatever salt they send stands inside their own.
   */
  bind({ cacheSalt, priority }: Pick<GenerationSettings, 'cacheSalt' | 'priority'>) {
    return {
      cacheSalt: JSON.stringify([this.#settings.cacheSalt, cacheSalt]),
      priority: Math.max(priority, this.#settings.priority),
    };
  }

  /** Counts a request, until the function that it returns is called. Throws `rate_limit_exceeded`. */
  begin(): () => void {
    const { concurrency } = this.#settings;
    if (concurrency !== null && this.#running >= concurrency) {
      throw exceeded(`${this.#running} requests of this key run, which is as many as may`);
    }
    const wait = this.#requests?.secondsUntil(1) ?? 0;
    if (wait > 0) throw exceeded(`this key may send ${this.#requests!.perMinute} requests a minute`, wait);
    this.#requests?.take(1);
    this.#running += 1;
    return () => (this.#running -= 1);
  }

  /**
   * Sets aside what a request may take, though no more than a minute's tokens, until the function that it returns is told
   * how many it took. Throws `rate_limit_exceeded`.
   */
  reserve({ prompt, output }: TokenCost): (used: number) => void {
    const bucket = this.#tokens;
    if (bucket === null) return () => undefined;
    const { perMinute } = bucket;
    if (prompt > perMinute) {
      const problem = `the prompt has ${prompt} tokens, and this key may use ${perMinute} a minute`;
      throw exceeded(problem, Infinity);
    }
    const reserved = Math.min(prompt + output, perMinute);
    const wait = bucket.secondsUntil(reserved);
    if (wait > 0) {
      const left = Math.max(0, Math.floor(bucket.level));
      const problem = `the request may take ${reserved} tokens, and of ${perMinute} a minute ${left} are left`;
      throw exceeded(problem, wait);
    }
    bucket.take(reserved);
    return (used) => bucket.take(used - reserved);
  }

  /** What its answers tell of its limits, as OpenAI's do. */
  get headers(): Record<string, string> {
    return { ...headersOf('requests', this.#requests), ...headersOf('tokens', this.#tokens) };
  }

  #resized(bucket: Bucket | null, perMinute: number | null): Bucket | null {
    if (perMinute === null) return null;
    if (bucket === null) return new Bucket(perMinute, this.#now);
    bucket.resize(perMinute);
    return bucket;
  }
}

const exceeded = (problem: string, retryAfter?: number): ServingError =>
  new ServingError('rate_limit_exceeded', problem, retryAfter === undefined ? {} : { retryAfter });

function headersOf(what: 'requests' | 'tokens', bucket: Bucket | null): Record<string, string> {
  if (bucket === null) return {};
  return {
    [`x-ratelimit-limit-${what}`]: String(bucket.perMinute),
    [`x-ratelimit-remaining-${what}`]: String(Math.max(0, Math.floor(bucket.level))),
    [`x-ratelimit-reset-${what}`]: durationText(bucket.secondsUntil(bucket.perMinute)),
  };
}

/** As OpenAI writes them: `0s`, `120ms`, `8s`, `6m0s`; never less than it is. */
function durationText(seconds: number): string {
  if (seconds > 0 && seconds < 1) return `${Math.ceil(seconds * 1000)}ms`;
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole}s` : `${Math.floor(whole / 60)}m${whole % 60}s`;
}
