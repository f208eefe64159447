import { ResponsesFormat } from '../../../services/lib/openai/responses/format.js';
import { usageOf } from '../../../services/lib/openai/response-format.js';

describe('a response that calls tools', () => {
  const head = { key: 'k', created: 1, model: 'm' };
  const summary = { usage: usageOf(1, 0, 1), timings: undefined };
  const ofType = (type: string) => ({ type, data: expect.anything() as object });

  it('streams item after item, and holds them all at its end', () => {
    const format = new ResponsesFormat(head, {});
    const piece = (more: object) => ({
      index: 0,
      text: '',
      toolCalls: [{ index: 0, arguments: '', ...more }],
    });
    const events = [
      ...format.delta({ index: 0, text: 'So' }),
      ...format.delta(piece({ id: 'c', name: 'add' })),
      ...format.delta(piece({ arguments: '{}' })),
      ...format.delta(piece({ index: 1, id: 'd', name: 'sub', arguments: '{}' })),
      ...format.finish(0, 'tool_calls'),
      ...format.summary(summary),
    ].map(({ event, data }) => ({ type: event, data }));
    const call = (more: string) => `response.function_call_arguments.${more}`;
    const item = (more: string) => ofType(`response.output_item.${more}`);
    expect(events).toEqual([
      item('added'),
      ofType('response.content_part.added'),
      ofType('response.output_text.delta'),
      ofType('response.output_text.done'),
      ofType('response.content_part.done'),
      item('done'),
      item('added'),
      ofType(call('delta')),
      {
        type: call('done'),
        data: expect.objectContaining({ name: 'add', arguments: '{}', output_index: 1 }) as object,
      },
      item('done'),
      item('added'),
      ofType(call('delta')),
      { type: call('done'), data: expect.objectContaining({ name: 'sub', output_index: 2 }) as object },
      item('done'),
      ofType('response.completed'),
    ]);
    expect(format.body.output).toMatchObject([
      { type: 'message', content: [{ text: 'So' }] },
      { type: 'function_call', call_id: 'c', name: 'add', arguments: '{}', status: 'completed' },
      { type: 'function_call', call_id: 'd', name: 'sub' },
    ]);
  });

  it('ends a call before the text that came in the same step', () => {
    const format = new ResponsesFormat(head, {});
    format.delta({ index: 0, text: '', toolCalls: [{ index: 0, id: 'c', name: 'add', arguments: '{"a":' }] });
    const events = format.delta({ index: 0, text: 'And', toolCalls: [{ index: 0, arguments: '1}' }] });
    expect(events[0]).toMatchObject({
      event: 'response.function_call_arguments.delta',
      data: { delta: '1}' },
    });
    format.finish(0, 'tool_calls');
    format.summary(summary);
    expect(format.body.output).toMatchObject([
      { type: 'function_call', call_id: 'c', arguments: '{"a":1}', status: 'completed' },
      { type: 'message', content: [{ text: 'And' }] },
    ]);
  });

  it('is the same whole', () => {
    const choice = {
      index: 0,
      text: '',
      toolCalls: [{ id: 'c', name: 'add', arguments: '{}' }],
      finishReason: 'tool_calls' as const,
    };
    expect(new ResponsesFormat(head, {}).response([choice], summary)).toMatchObject({
      status: 'completed',
      output: [{ type: 'function_call', call_id: 'c', name: 'add', arguments: '{}' }],
    });
  });
});
