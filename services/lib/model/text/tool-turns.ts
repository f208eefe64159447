import { compileTemplate } from './jinja.js';

/** What a model may call, in OpenAI's form, which is the one that chat templates read. */
export interface Tool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    /** A JSON schema of an object. */
    readonly parameters: Readonly<Record<string, unknown>>;
  };
}

/** A call in an assistant's turn; templates want its arguments as what they are, not as the text of OpenAI's API. */
export interface ToolCall {
  readonly id?: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };
}

interface Turn {
  readonly role: string;
  readonly content: string;
  readonly tool_calls?: readonly ToolCall[];
  /** In the turn of a call's result. */
  readonly tool_call_id?: unknown;
}

const written = (template: string): ((variables: object) => string) =>
  compileTemplate(template, () => new Date()) as (variables: object) => string;

/** Hermes' way to tell of tools and to call them, which Qwen's templates have too: none has been read by more models. */
const toolsText = written(
  `# Tools

You may call one or more of these functions to help with what the user asks:
<tools>{% for tool in tools %}{{ '\n' + tool | tojson }}{% endfor %}

</tools>

For each call answer with a JSON object of the function's name and its arguments within <tool_call></tool_call>:
<tool_call>
{"name": <name of the function>, "arguments": <object of its arguments>}
</tool_call>`,
);

const callsText = written(
  `{{ content }}{% for call in tool_calls %}{{ '\n' if content or not loop.first }}<tool_call>
{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}`,
);

function plainTurn<T extends Turn>({ tool_calls: calls, ...turn }: T): T {
  const { role, content } = turn;
  if (role === 'tool')
    return { ...(turn as T), role: 'user', content: `<tool_response>\n${content}\n</tool_response>` };
  return { ...(turn as T), content: calls ? callsText({ content, tool_calls: calls }) : content };
}

/**
 * A conversation in which tools were called, for a template that knows no calls: these are part of what the
 * assistant said, and their results of what the user says next, so that the roles alternate as before.
 */
export function asPlainTurns<T extends Turn>(turns: readonly T[]): T[] {
  const plain: T[] = [];
  let afterResult = false;
  for (const turn of turns) {
    const said = plainTurn(turn);
    const last: T | undefined = plain.at(-1);
    const isResult = turn.role === 'tool';
    if (last?.role === 'user' && (isResult || (afterResult && said.role === 'user'))) {
      plain[plain.length - 1] = { ...last, content: `${last.content}\n${said.content}` };
    } else plain.push(said);
    afterResult = isResult;
  }
  return plain;
}

/**
 * A conversation whose system turn tells of the tools, for a template that does not. Where the template shows no system
 * turn of its own, the first user turn does.
 */
export function tellingOfTools<T extends Turn>(
  turns: readonly T[],
  tools: readonly Tool[],
  showsSystem: () => boolean,
): T[] {
  const text = toolsText({ tools });
  const [first, ...rest] = turns;
  if (first?.role === 'system') return [{ ...first, content: `${first.content}\n\n${text}` }, ...rest];
  const user = showsSystem() ? -1 : turns.findIndex(({ role }) => role === 'user');
  if (user < 0) return [{ role: 'system', content: text } as T, ...turns];
  return turns.map((turn, index) =>
    index === user ? { ...turn, content: `${text}\n\n${turn.content}` } : turn,
  );
}

/**
 * A conversation for Mistral's templates, which refuse ids that are not nine letters and digits: calls and their
 * results are numbered. Where they have no ids, as in OpenAI's older form, a result is that of the latest call.
 */
export function withNumbers<T extends Turn>(turns: readonly T[]): T[] {
  const numbers = new Map<unknown, string>();
  let latest = '';
  const numberOf = (id: unknown): string => {
    const number = numbers.get(id) ?? String(numbers.size + 1).padStart(9, '0');
    numbers.set(id ?? {}, number);
    return number;
  };
  return turns.map((turn) => {
    const calls = turn.tool_calls?.map((call) => ({ ...call, id: (latest = numberOf(call.id)) }));
    if (calls) return { ...turn, tool_calls: calls };
    if (turn.role !== 'tool') return turn;
    return { ...turn, tool_call_id: turn.tool_call_id === undefined ? latest : numberOf(turn.tool_call_id) };
  });
}
