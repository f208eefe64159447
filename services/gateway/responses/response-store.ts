import { ServingError } from '../../lib/errors/serving-error.js';
import type { PassingDocuments } from '../../lib/mesh/types.js';
import type { ResponseObject, ResponseStatus } from '../../lib/openai/responses/format.js';
import type { Item } from '../../lib/openai/responses/items.js';
import type { Runners } from './runners.js';

/** A response, and the conversation that it goes on with: whoever comes back to it needs no earlier one. */
export interface KeptResponse {
  /** Whose it is; null: everyone's, where there are no keys. */
  readonly owner: string | null;
  readonly response: ResponseObject;
  readonly input: readonly Item[];
  /** What had been said and done before its input. */
  readonly before: readonly Item[];
  /** The process that runs it in the background. */
  readonly runner?: string;
}

/** More would be dear to read again with each turn, and more than a context holds. */
const MAX_BYTES = 1 << 20;
const ID = /^resp_[0-9a-f]{32}$/;

/** The responses of all gateways, in the state store, until their time has passed. */
export class ResponseStore {
  readonly #documents: PassingDocuments;
  readonly #runners: Pick<Runners, 'lives'>;

  constructor(documents: PassingDocuments, runners: Pick<Runners, 'lives'>) {
    this.#documents = documents;
    this.#runners = runners;
  }

  /**
   * One that nobody runs any more, for the gateway is gone, has failed from now on. Throws `response_not_found`, for those of
   * others too, and `sidecar_missing`.
   */
  async find(id: string, owner: string | null, param = 'response_id'): Promise<KeptResponse> {
    const found = ID.test(id) ? await this.#documents.read(keyOf(id)) : null;
    const kept = found?.value as KeptResponse | undefined;
    if (kept?.owner === owner) {
      const { runner, response } = kept;
      if (isOver(response) || runner === undefined || (await this.#runners.lives(runner))) return kept;
      return (await this.change(id, { status: 'failed', error: RUNNER_GONE })) ?? kept;
    }
    throw new ServingError('response_not_found', `the response ${JSON.stringify(id)} does not exist`, {
      param,
    });
  }

  /** Throws `sidecar_missing` where nothing can be kept, `invalid_value` for what is too large for it. */
  async requireRoom(conversation: readonly Item[]): Promise<void> {
    if (Buffer.byteLength(JSON.stringify(conversation)) > MAX_BYTES) {
      throw new ServingError('invalid_value', `the conversation is larger than ${MAX_BYTES} bytes`, {
        param: 'store',
        hint: 'send store: false, and the whole conversation each time',
      });
    }
    await this.#documents.read(keyOf('resp_none'));
  }

  /** Null where it is gone. */
  async statusOf(id: string): Promise<ResponseStatus | null> {
    const found = await this.#documents.read(keyOf(id));
    return (found?.value as KeptResponse | undefined)?.response.status ?? null;
  }

  /** A new one. */
  async put(kept: KeptResponse): Promise<void> {
    const { id } = kept.response;
    if (!(await this.#documents.write(keyOf(id), kept, null))) throw conflict(id);
  }

  /** What has become of one; `change` is asked again where another gateway was faster. Null where it is gone. */
  async update(id: string, change: (kept: KeptResponse) => KeptResponse): Promise<KeptResponse | null> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const found = await this.#documents.read(keyOf(id));
      if (found === null) return null;
      const kept = change(found.value as KeptResponse);
      if (await this.#documents.write(keyOf(id), kept, found.etag)) return kept;
    }
    throw conflict(id);
  }

  /** Where it is not over yet: the first end is the one that counts. Null where it is gone. */
  change(id: string, change: Partial<ResponseObject>): Promise<KeptResponse | null> {
    return this.update(id, (kept) =>
      isOver(kept.response) ? kept : { ...kept, response: { ...kept.response, ...change } },
    );
  }

  /** Throws as `find` does. */
  async delete(id: string, owner: string | null): Promise<void> {
    await this.find(id, owner);
    await this.#documents.delete(keyOf(id));
  }
}

export const isOver = ({ status }: Pick<ResponseObject, 'status'>): boolean =>
  status !== 'queued' && status !== 'in_progress';

const RUNNER_GONE = { code: 'stream_broken', message: 'the gateway that ran it is gone' } as const;

/** Who writes the same are its runner, who cancels it, and those who find the runner gone. */
const MAX_ATTEMPTS = 5;

const conflict = (id: string): ServingError =>
  new ServingError('registry_conflict', `could not write the response ${id}`);

const keyOf = (id: string): string => `response-${id}`;

/** All that was said up to the end of a response. */
export const conversationOf = ({ before, input, response }: KeptResponse): Item[] => [
  ...before,
  ...input,
  ...response.output,
];
