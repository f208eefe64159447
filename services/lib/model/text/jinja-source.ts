const STRINGS = `'(?:[^'\\\\]|\\\\.)*'|"(?:[^"\\\\]|\\\\.)*"`;
/** Comments, blocks and expressions; what stands in quotation marks ends none of the latter two. */
const TAGS = new RegExp(
  `\\{#[\\s\\S]*?#\\}|\\{%(?:${STRINGS}|[^'"])*?%\\}|\\{\\{(?:${STRINGS}|[^'"])*?\\}\\}`,
  'gs',
);

/**
 * A template's text as Jinja2 reads it with `trim_blocks` and `lstrip_blocks`, which transformers sets: lines
 * end in `\n`, the last one without; a block takes the line end after it and the indentation before it,
 * unless a `+` in it says otherwise. The library knows neither other line ends nor the `+`.
 */
export function jinjaSource(template: string): string {
  const source = template.replaceAll(/\r\n?/g, '\n').replace(/\n$/, '');
  let result = '';
  let at = 0;
  let lineStarts = true;
  for (const { index, 0: tag } of source.matchAll(TAGS)) {
    if (index < at) continue;
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
