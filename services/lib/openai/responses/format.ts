import type { StreamEvent } from '../dialect.js';
import {
  asWritten,
  type FinishReason,
  type ResponseFormat,
  type ResponseHead,
  type ToolCallPiece,
  type Usage,
} from '../response-format.js';
import { newId, outputText, type CallItem, type Item, type ItemStatus, type MessageItem } from './items.js';
import type { Echo } from './request.js';

/** `response`, as it is answered, streamed and kept. */
export interface ResponseObject {
  readonly id: string;
  readonly object: 'response';
  readonly created_at: number;
  readonly status: ResponseStatus;
  readonly background: boolean;
  readonly output: readonly Item[];
  readonly [field: string]: unknown;
}

export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** A response of which nothing has come yet, or nothing will. */
export function responseObject(
  { key, created, model }: Pick<ResponseHead, 'key' | 'created' | 'model'>,
  echo: Echo,
  status: ResponseStatus,
  error: { readonly code: string; readonly message: string } | null = null,
): ResponseObject {
  return {
    id: `resp_${key}`,
    object: 'response',
    created_at: created,
    completed_at: null,
    status,
    background: false,
    error,
    incomplete_details: null,
    model,
    output: [],
    usage: null,
    ...echo,
  };
}

/** What item is being said, and where it stands. */
type Open = { readonly place: number } & (
  | { readonly type: 'message'; readonly item: MessageItem; text: string }
  | { readonly type: 'function_call'; readonly item: CallItem; text: string }
);

/**
 * A response, whole or as the events of a stream: each is numbered, and the items of the output begin and end one after the
 * other, as do the parts of a message.
 */
export class ResponsesFormat implements ResponseFormat {
  /** What is answered; before the end, what it begins as. */
  body: ResponseObject;
  readonly #output: Item[] = [];
  #open: Open | null = null;
  #reason: FinishReason = 'stop';
  #number = 0;

  constructor(head: Pick<ResponseHead, 'key' | 'created' | 'model'>, echo: Echo) {
    this.body = responseObject(head, echo, 'in_progress');
  }

  /** Of the next event. */
  nextNumber(): number {
    return this.#number++;
  }

  /** As a stream would have said it. */
  response: ResponseFormat['response'] = ([choice], summary) => {
    const { index, text, toolCalls, finishReason } = choice!;
    const calls = toolCalls?.map((call, number) => ({ index: number, ...call }));
    this.delta({ index, text, ...(calls && { toolCalls: calls }) });
    this.finish(index, finishReason);
    this.summary(summary);
    return this.body;
  };

  start: ResponseFormat['start'] = () => [
    this.#event('response.created', { response: this.body }),
    this.#event('response.in_progress', { response: this.body }),
  ];

  delta: ResponseFormat['delta'] = (step) =>
    asWritten(step).flatMap((part) => (typeof part === 'string' ? this.#say(part) : this.#call(part)));

  finish: ResponseFormat['finish'] = (_index, reason) => {
    this.#reason = reason;
    const silent = this.#open === null && this.#output.length === 0;
    return [...(silent ? this.#beginMessage() : []), ...this.#close(reason)];
  };

  summary: ResponseFormat['summary'] = ({ usage }) => {
    const whole = this.#reason !== 'length';
    this.body = {
      ...this.body,
      status: whole ? 'completed' : 'incomplete',
      completed_at: Math.floor(Date.now() / 1000),
      incomplete_details: whole ? null : { reason: 'max_output_tokens' },
      output: this.#output,
      usage: usageOf(usage),
    };
    return [this.#event(`response.${this.body.status}`, { response: this.body })];
  };

  #event(type: string, data: object): StreamEvent {
    return { event: type, data: { type, ...data, sequence_number: this.nextNumber() } };
  }

  #begin(open: Open): StreamEvent {
    this.#open = open;
    return this.#event('response.output_item.added', { output_index: open.place, item: open.item });
  }

  #beginMessage(): StreamEvent[] {
    const item = { type: 'message', status: 'in_progress', role: 'assistant', content: [] } as const;
    const place = this.#output.length;
    const message = { id: newId('msg'), ...item };
    return [
      this.#begin({ type: 'message', place, item: message, text: '' }),
      this.#event('response.content_part.added', { ...partAt(message, place), part: outputText('') }),
    ];
  }

  #say(text: string): StreamEvent[] {
    const begun = this.#open?.type === 'message' ? [] : [...this.#close('stop'), ...this.#beginMessage()];
    const { item, place } = this.#open!;
    this.#open!.text += text;
    const said = { ...partAt(item, place), delta: text, logprobs: [] };
    return [...begun, this.#event('response.output_text.delta', said)];
  }

  #call({ id, name, arguments: json }: ToolCallPiece): StreamEvent[] {
    const begun = id === undefined ? [] : [...this.#close('stop'), this.#beginCall(id, name!)];
    if (json === '') return begun;
    const { item, place } = this.#open!;
    this.#open!.text += json;
    const more = { item_id: item.id, output_index: place, delta: json };
    return [...begun, this.#event('response.function_call_arguments.delta', more)];
  }

  #beginCall(callId: string, name: string): StreamEvent {
    const call = { call_id: callId, name, arguments: '' };
    const item = { id: newId('fc'), type: 'function_call', status: 'in_progress', ...call } as const;
    return this.#begin({ type: 'function_call', place: this.#output.length, item, text: '' });
  }

  #close(reason: FinishReason): StreamEvent[] {
    if (this.#open === null) return [];
    const { type, item, place, text } = this.#open;
    const status: ItemStatus = reason === 'length' ? 'incomplete' : 'completed';
    this.#open = null;
    if (type === 'message') {
      const part = outputText(text);
      const done = { ...item, status, content: [part] };
      this.#output.push(done);
      return [
        this.#event('response.output_text.done', { ...partAt(item, place), text, logprobs: [] }),
        this.#event('response.content_part.done', { ...partAt(item, place), part }),
        this.#event('response.output_item.done', { output_index: place, item: done }),
      ];
    }
    const done = { ...item, status, arguments: text };
    this.#output.push(done);
    const called = { item_id: item.id, output_index: place, name: item.name, arguments: text };
    return [
      this.#event('response.function_call_arguments.done', called),
      this.#event('response.output_item.done', { output_index: place, item: done }),
    ];
  }
}

/** A message of ours has one part. */
const partAt = ({ id }: Item, place: number): object => ({
  item_id: id,
  output_index: place,
  content_index: 0,
});

const usageOf = (usage: Usage): object => ({
  input_tokens: usage.prompt_tokens,
  input_tokens_details: { cached_tokens: usage.prompt_tokens_details.cached_tokens, cache_write_tokens: 0 },
  output_tokens: usage.completion_tokens,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: usage.total_tokens,
});
