import {
  chatFormat,
  usageOf,
  wholeCalls,
  type ToolCallPiece,
} from '../../../services/lib/openai/response-format.js';

const head = { model: 'm', created: 1, key: 'k', includeUsage: false };
const pieces: ToolCallPiece[] = [
  { index: 0, id: 'call_1', name: 'add', arguments: '' },
  { index: 0, arguments: '{"a":' },
  { index: 0, arguments: '1}' },
  { index: 1, id: 'call_2', name: 'now', arguments: '{}' },
];
const calls = [
  { id: 'call_1', name: 'add', arguments: '{"a":1}' },
  { id: 'call_2', name: 'now', arguments: '{}' },
];

describe('a chat that calls tools', () => {
  const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

  it('has whole calls, and no content but where there is some', () => {
    expect(wholeCalls(pieces)).toEqual(calls);
    const wholeOf = (text: string): unknown =>
      asJson(
        chatFormat(head).response([{ index: 0, text, toolCalls: calls, finishReason: 'tool_calls' }], {
          usage: usageOf(1, 0, 2),
          timings: undefined,
        }),
      );
    const tool_calls = calls.map(({ id, ...called }) => ({ id, type: 'function', function: called }));
    for (const [text, content] of [
      ['', null],
      ['Well', 'Well'],
    ] as const) {
      expect(wholeOf(text)).toMatchObject({
        choices: [{ message: { content, tool_calls }, finish_reason: 'tool_calls' }],
      });
    }
  });

  it('streams a call with its id and name once, and its arguments bit by bit', () => {
    const format = chatFormat(head);
    const deltas = pieces
      .slice(0, 2)
      .map((piece) => format.delta({ index: 0, text: '', toolCalls: [piece] })[0]!.data);
    expect(asJson(deltas)).toMatchObject([
      {
        choices: [
          {
            delta: {
              tool_calls: [
                { index: 0, id: 'call_1', type: 'function', function: { name: 'add', arguments: '' } },
              ],
            },
          },
        ],
      },
      { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{"a":' } }] } }] },
    ]);
    expect(JSON.stringify(deltas[1])).not.toMatch(/"name"|"content"|"type"|call_1/);
    expect(format.finish(0, 'tool_calls')[0]!.data).toMatchObject({
      choices: [{ delta: {}, finish_reason: 'tool_calls' }],
    });
  });
});
