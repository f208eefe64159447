import type { StreamEvent } from '../openai/dialect.js';
import {
  callInput,
  wholeCalls,
  type FinishReason,
  type ResponseFormat,
  type Summary,
  type ToolCall,
  type ToolCallPiece,
} from '../openai/response-format.js';

/**
 * The lines of `/api/chat` or `/api/generate`, of which the last is done and tells what all took; an answer that comes whole
 * is one line. Calls of tools come whole, before the last.
 */
export function ollamaFormat(route: 'chat' | 'generate', model: string): ResponseFormat {
  const calls: ToolCallPiece[] = [];
  let reason: FinishReason = 'stop';
  const line = (text: string, more: object, toolCalls: readonly ToolCall[] = []): object => ({
    ...lineHead(route, model, text, toolCalls),
    ...more,
  });

  return {
    response: ([choice], summary) => {
      const { text, toolCalls, finishReason } = choice!;
      return line(text, endOf(finishReason, summary), toolCalls);
    },
    start: () => [],
    delta({ text, toolCalls = [] }) {
      calls.push(...toolCalls);
      return text === '' ? [] : [{ data: line(text, { done: false }) }];
    },
    finish(_index, finishReason): readonly StreamEvent[] {
      reason = finishReason;
      return calls.length === 0 ? [] : [{ data: line('', { done: false }, wholeCalls(calls)) }];
    },
    summary: (summary) => [{ data: line('', endOf(reason, summary)) }],
  };
}

/** Where nothing was asked. */
export const loaded = (route: 'chat' | 'generate', model: string): object => ({
  ...lineHead(route, model, ''),
  done: true,
  done_reason: 'load',
});

function lineHead(
  route: 'chat' | 'generate',
  model: string,
  text: string,
  toolCalls: readonly ToolCall[] = [],
): object {
  const head = { model, created_at: new Date().toISOString() };
  if (route === 'generate') return { ...head, response: text };
  // What was cut off cannot be called.
  const calls = toolCalls.flatMap((call) => {
    const input = callInput(call);
    return input === null ? [] : [{ id: call.id, function: { name: call.name, arguments: input } }];
  });
  const message = { role: 'assistant', content: text, ...(calls.length > 0 && { tool_calls: calls }) };
  return { ...head, message };
}

/** Of nanoseconds. */
const nanoseconds = (ms: number): number => Math.round(ms * 1e6);

const endOf = (reason: FinishReason, { usage, timings }: Summary): object => ({
  done: true,
  done_reason: reason === 'length' ? 'length' : 'stop',
  ...(timings && { total_duration: nanoseconds(timings.total_ms), load_duration: 0 }),
  prompt_eval_count: usage.prompt_tokens,
  ...(timings && { prompt_eval_duration: nanoseconds(timings.prefill_ms) }),
  eval_count: usage.completion_tokens,
  ...(timings && { eval_duration: nanoseconds(timings.decode_ms) }),
});
