import { Environment, parse, tokenize } from '@huggingface/jinja';
import { JinjaInterpreter } from './jinja-interpreter.js';

type Variables = Readonly<Record<string, unknown>>;

const STRING = String.raw`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`;
/** Comments, blocks and expressions; what stands in quotation marks ends none of the latter two. */
const TAG = new RegExp(String.raw`\{#.*?#\}|\{%(?:${STRING}|[^'"])*?%\}|\{\{(?:${STRING}|[^'"])*?\}\}`, 'gs');

/**
 * Reads a template as Jinja2 does with the settings and globals of transformers' `apply_chat_template`, and gives
 * the function that renders it. Both throw errors of the library, or what the template itself raises.
 */
export function compileTemplate(source: string, now: () => Date): (variables: Variables) => string {
  const program = parse(tokenize(jinjaSource(source)));
  return (variables) => {
    const environment = new Environment();
    const known = { ...globals(now), ...variables, ...CONSTANTS };
    for (const [name, value] of Object.entries(known)) environment.set(name, value);
    return new JinjaInterpreter(environment).run(program).value as string;
  };
}

/** The variables, fields and strings that a template names. Throws as `compileTemplate` does. */
export function namesOf(source: string): ReadonlySet<string> {
  const tokens = tokenize(jinjaSource(source));
  return new Set(tokens.flatMap(({ type, value }) => (NAMES.has(type) ? [value] : [])));
}

const NAMES: ReadonlySet<string> = new Set(['Identifier', 'StringLiteral']);

/** The strings that a template names, without regard for where they stand: one too many does no harm. */
export function stringsOf(source: string): string[] {
  const found = Array.from(source.matchAll(new RegExp(STRING, 'gs')), ([literal]) => literal.slice(1, -1));
  const unescape = (text: string): string =>
    text.replaceAll(/\\(.)/gs, (_, letter: string) => ({ n: '\n', r: '\r', t: '\t' })[letter] ?? letter);
  return [...new Set(found.map(unescape))];
}

/**
 * A template's text as Jinja2 reads it with `trim_blocks` and `lstrip_blocks`, which transformers sets: lines
 * end in `\n`, the last one without; a block takes the line end after it and the indentation before it,
 * unless a `+` in it says otherwise. The library knows neither other line ends nor the `+`.
 */
function jinjaSource(template: string): string {
  const source = template.replaceAll(/\r\n?/g, '\n').replace(/\n$/, '');
  let result = '';
  let at = 0;
  let lineStarts = true;
  for (const { index, 0: tag } of source.matchAll(TAG)) {
    const before = source.slice(at, index);
    const isBlock = !tag.startsWith('{{');
    result += isBlock && !/^..[-+]/s.test(tag) ? withoutIndentation(before, lineStarts) : before;
    result += isBlock ? tag.replace(/^(..)\+/s, '$1').replace(/\+(..)$/s, '$1') : tag;
    at = index + tag.length;
    const stripped = /-..$/s.test(tag) ? /^\s*/.exec(source.slice(at))![0] : '';
    const ended = isBlock && !/[-+]..$/s.test(tag) && source[at] === '\n';
    if (ended) at += 1;
    lineStarts = ended || stripped.endsWith('\n');
  }
  // The library takes a line end from the end of whatever it is given.
  return `${result}${source.slice(at)}\n`;
}

/** Without the white space at the end that nothing else of its line is before. */
function withoutIndentation(text: string, lineStarts: boolean): string {
  const line = text.lastIndexOf('\n') + 1;
  return (line > 0 || lineStarts) && text.slice(line).trim() === '' ? text.slice(0, line) : text;
}

/** Words of the language, which no variable of a request can change; to the library they are variables. */
const CONSTANTS = { true: true, True: true, false: false, False: false, none: null, None: null };

/** The library's own `strftime_now` speaks the language of the machine. */
const globals = (now: () => Date): Variables => ({
  range,
  strftime_now: (format: string) => strftime(now(), format),
  raise_exception: (message: string) => {
    throw new Error(message);
  },
});

/** As in the sandbox in which transformers runs templates. */
const LONGEST_RANGE = 100_000;

/** Python's `range`, as a list. */
function range(...bounds: [stop: number] | [start: number, stop: number, step?: number]): number[] {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]] : bounds;
  if (step === 0) throw new Error('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > LONGEST_RANGE) throw new Error(`a range of ${length} is longer than ${LONGEST_RANGE}`);
  return Array.from({ length }, (_, index) => start + index * step);
}

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

const pad = (value: number): string => String(value).padStart(2, '0');

const directives: Readonly<Partial<Record<string, (date: Date) => string>>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => pad(date.getFullYear() % 100),
  m: (date) => pad(date.getMonth() + 1),
  d: (date) => pad(date.getDate()),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(date.getHours() % 12 || 12),
  M: (date) => pad(date.getMinutes()),
  S: (date) => pad(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  B: (date) => MONTHS[date.getMonth()]!,
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  A: (date) => DAYS[date.getDay()]!,
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  '%': () => '%',
};

/**
 * Local time in the format of C's strftime with English names, whatever the machine's locale: the dates in
 * a prompt are those that the model was trained on. Unknown directives stay as they are.
 */
export function strftime(date: Date, format: string): string {
  return format.replaceAll(/%(.)/g, (whole, directive: string) => directives[directive]?.(date) ?? whole);
}
