import { messagesFormat } from '../../../services/lib/anthropic/messages-format.js';
import { readMessagesRequest } from '../../../services/lib/anthropic/messages-request.js';
import type { StreamEvent } from '../../../services/lib/openai/dialect.js';
import { usageOf } from '../../../services/lib/openai/response-format.js';
import { samplingOver, type ServedModel } from '../../../services/lib/openai/served-model.js';

const model = {
  id: 'test',
  aliases: [],
  created: 0,
  contextLength: 100,
  vocabulary: 50,
  eosIds: [2],
  sampling: samplingOver({}),
} as unknown as ServedModel;
const read = (messages: readonly object[], fields: object = {}) =>
  readMessagesRequest({ max_tokens: 5, messages, ...fields }, model);

describe('a conversation that used tools', () => {
  const use = { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1 } };
  const result = (content: unknown) => ({ type: 'tool_result', tool_use_id: 'toolu_1', content });
  const turns = (content: unknown) => [
    { role: 'user', content: 'Add' },
    { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm' }, { type: 'text', text: 'So' }, use] },
    { role: 'user', content: [result(content), { type: 'text', text: 'and now?' }] },
  ];

  it.each([['2'], [[{ type: 'text', text: '2' }]]])('has its form of OpenAI (%j)', (content) => {
    const call = { id: 'toolu_1', type: 'function', function: { name: 'add', arguments: { a: 1 } } };
    const text = (words: string) => [{ type: 'text', text: words }];
    expect(read(turns(content)).messages).toEqual([
      { role: 'user', content: text('Add') },
      { role: 'assistant', content: text('So'), tool_calls: [call] },
      { role: 'tool', tool_call_id: 'toolu_1', content: text('2') },
      { role: 'user', content: text('and now?') },
    ]);
  });

  it.each([
    [turns([{ type: 'image' }]), 'messages[2].content[0].content[0]'],
    [turns(7), 'messages[2].content[0].content'],
    [turns('2').slice(0, 2), 'messages[1].content'],
    [[{ role: 'assistant', content: [{ ...use, input: 'x' }] }], 'messages[0].content[0].input'],
    [[{ role: 'user', content: [{ type: 'tool_result' }] }], 'messages[0].content[0].tool_use_id'],
  ])('is refused by the name of what is wrong', (messages, param) => {
    expect(() => read(messages)).toThrow(expect.objectContaining({ param }) as Error);
  });
});

describe('an answer that calls tools', () => {
  const call = { id: 'call_1', name: 'add', arguments: '{"a":1}' };
  const summary = { usage: usageOf(10, 0, 5), timings: undefined };
  const short = (events: readonly StreamEvent[]): unknown[] =>
    events.map(({ data }) => {
      const { type, index, content_block: block, delta } = data as Record<string, Record<string, unknown>>;
      return [type, index, block?.id ?? block?.type ?? delta?.text ?? delta?.partial_json].filter(
        (part) => part !== undefined,
      );
    });

  it('has a block for each call, but for one that was cut off', () => {
    const choice = { index: 0, text: 'So', finishReason: 'tool_calls' as const };
    const toolCalls = [call, { ...call, id: 'call_2', arguments: '{"a":' }];
    const body = messagesFormat({ key: 'k', model: 'm' }).response([{ ...choice, toolCalls }], summary);
    expect(body).toMatchObject({
      content: [
        { type: 'text', text: 'So' },
        { type: 'tool_use', id: 'call_1', name: 'add', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
    });
  });

  it('streams block after block', () => {
    const format = messagesFormat({ key: 'k', model: 'm' });
    const events = [
      ...format.delta({ index: 0, text: 'So' }),
      ...format.delta({ index: 0, text: '', toolCalls: [{ index: 0, id: 'c', name: 'add', arguments: '' }] }),
      ...format.delta({ index: 0, text: '', toolCalls: [{ index: 0, arguments: '{}' }] }),
      ...format.delta({
        index: 0,
        text: '',
        toolCalls: [{ index: 1, id: 'd', name: 'sub', arguments: '{}' }],
      }),
      ...format.finish(0, 'tool_calls'),
      ...format.summary(summary),
    ];
    expect(short(events)).toEqual([
      ['content_block_start', 0, 'text'],
      ['content_block_delta', 0, 'So'],
      ['content_block_stop', 0],
      ['content_block_start', 1, 'c'],
      ['content_block_delta', 1, '{}'],
      ['content_block_stop', 1],
      ['content_block_start', 2, 'd'],
      ['content_block_delta', 2, '{}'],
      ['content_block_stop', 2],
      ['message_delta'],
      ['message_stop'],
    ]);
  });

  it('ends a call before the text that came in the same step', () => {
    const format = messagesFormat({ key: 'k', model: 'm' });
    const first = { index: 0, id: 'c', name: 'add', arguments: '{"a":' };
    const second = { index: 1, id: 'd', name: 'sub', arguments: '{}' };
    const events = [
      ...format.delta({ index: 0, text: '', toolCalls: [first] }),
      ...format.delta({ index: 0, text: 'And', toolCalls: [{ index: 0, arguments: '1}' }, second] }),
      ...format.finish(0, 'tool_calls'),
    ];
    expect(short(events)).toEqual([
      ['content_block_start', 0, 'c'],
      ['content_block_delta', 0, '{"a":'],
      ['content_block_delta', 0, '1}'],
      ['content_block_stop', 0],
      ['content_block_start', 1, 'text'],
      ['content_block_delta', 1, 'And'],
      ['content_block_stop', 1],
      ['content_block_start', 2, 'd'],
      ['content_block_delta', 2, '{}'],
      ['content_block_stop', 2],
    ]);
  });
});
