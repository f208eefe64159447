import type { StreamEvent } from '../openai/dialect.js';
import {
  asWritten,
  callInput,
  type FinishReason,
  type ResponseFormat,
  type ResponseHead,
  type ToolCall,
  type ToolCallPiece,
  type Usage,
} from '../openai/response-format.js';

type BlockType = 'text' | 'tool_use';

/** `message`, whole and as the events of a stream, which show its content block by block. */
export function messagesFormat({ key, model }: Pick<ResponseHead, 'key' | 'model'>): ResponseFormat {
  const message = (content: readonly object[], ending: Ending | null, usage: object): object => ({
    id: `msg_${key}`,
    type: 'message',
    role: 'assistant',
    model,
    content,
    ...(ending ?? { stop_reason: null, stop_sequence: null }),
    usage,
  });

  let blocks = 0;
  let open: BlockType | null = null;
  let called = false;
  let ending: Ending | null = null;

  const close = (): StreamEvent[] => {
    if (open === null) return [];
    open = null;
    return [event('content_block_stop', { index: blocks - 1 })];
  };
  const begin = (type: BlockType, block: object): StreamEvent[] => {
    const closed = close();
    open = type;
    return [...closed, event('content_block_start', { index: blocks++, content_block: { type, ...block } })];
  };
  const more = (type: string, delta: object): StreamEvent =>
    event('content_block_delta', { index: blocks - 1, delta: { type, ...delta } });
  const say = (text: string): StreamEvent[] => [
    ...(open === 'text' ? [] : begin('text', { text: '', citations: null })),
    more('text_delta', { text }),
  ];
  const call = ({ id, name, arguments: json }: ToolCallPiece): StreamEvent[] => {
    called = true;
    return [
      ...(id === undefined ? [] : begin('tool_use', { id, name, input: {} })),
      ...(json === '' ? [] : [more('input_json_delta', { partial_json: json })]),
    ];
  };

  return {
    response([choice], { usage }) {
      const { text, toolCalls = [], finishReason, stopString } = choice!;
      const content = [
        ...(text === '' ? [] : [{ type: 'text', text, citations: null }]),
        ...toolCalls.flatMap((call) => toolUse(call)),
      ];
      return message(content, endingOf(finishReason, toolCalls.length > 0, stopString), usageOf(usage));
    },
    start: (_choice, begun) => [event('message_start', { message: message([], null, usageOf(begun)) })],
    delta: (step) => asWritten(step).flatMap((part) => (typeof part === 'string' ? say(part) : call(part))),
    finish(_index, reason, stopString) {
      ending = endingOf(reason, called, stopString);
      return close();
    },
    summary: ({ usage }) => [
      event('message_delta', { delta: ending!, usage: usageOf(usage) }),
      event('message_stop', {}),
    ],
  };
}

const event = (type: string, data: object): StreamEvent => ({ event: type, data: { type, ...data } });

interface Ending {
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
}

const REASONS: Readonly<Record<Exclude<FinishReason, 'stop'>, string>> = {
  length: 'max_tokens',
  tool_calls: 'tool_use',
};

/** `called`: with calls an answer ends for their sake, even where OpenAI says that it just stops. */
function endingOf(reason: FinishReason, called: boolean, stopString?: string): Ending {
  if (reason !== 'stop') return { stop_reason: REASONS[reason], stop_sequence: null };
  if (stopString !== undefined) return { stop_reason: 'stop_sequence', stop_sequence: stopString };
  return { stop_reason: called ? 'tool_use' : 'end_turn', stop_sequence: null };
}

/** What was cut off cannot be called. */
function toolUse(call: ToolCall): object[] {
  const input = callInput(call);
  return input === null ? [] : [{ type: 'tool_use', id: call.id, name: call.name, input }];
}

/** Anthropic counts what was read from the cache beside the input, not within it. */
const usageOf = (usage: Usage): object => ({
  input_tokens: usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: usage.prompt_tokens_details.cached_tokens,
  output_tokens: usage.completion_tokens,
});
