import { Lexer, type Token } from 'marked';

/** Inline markup of a longer piece is left as it is: what it costs grows faster than its length. */
const MAX_INLINE_CHARS = 8_192;
/** Lists and quotes so deep that cutting them takes seconds, or more than there is stack: no text that means anything. */
const TRAP = /^(?: {120,}\S|(?:[ \t]*(?:>|(?:[-*+]|\d+[.)])[ \t])){40,})/m;
/** What still may change when a text goes on: its last block, and the one before, which it may turn out to be a part of. */
const UNSETTLED = 2;

/**
 * The blocks of a markdown text. `known` are those of what it was before: of a text that goes on, the same objects stand for what has
 * not changed, so that neither cutting nor drawing a long answer begins anew with each token. Never throws.
 */
export function blocksOf(text: string, known: readonly Token[]): readonly Token[] {
  const source = text.replace(/\r\n?/g, '\n');
  const settled = settledOf(source, known);
  const rest = source.slice(settled.reduce((sum, { raw }) => sum + raw.length, 0));
  try {
    return [...settled, ...(TRAP.test(rest) ? [plain(rest)] : lexed(rest))];
  } catch {
    return [plain(source)];
  }
}

function settledOf(source: string, known: readonly Token[]): readonly Token[] {
  const unsettled = known.filter(({ type }) => type !== 'space').slice(-UNSETTLED)[0];
  const settled = unsettled === undefined ? [] : known.slice(0, known.indexOf(unsettled));
  let at = 0;
  for (const { raw } of settled) {
    if (!source.startsWith(raw, at)) return [];
    at += raw.length;
  }
  return settled;
}

/** As `Lexer.lex` does, but for pieces that are too long. */
function lexed(source: string): Token[] {
  const lexer = new Lexer({ gfm: true });
  lexer.blockTokens(source, lexer.tokens);
  for (const { src, tokens } of lexer.inlineQueue) {
    lexer.state.inRawBlock = false;
    if (src.length > MAX_INLINE_CHARS) tokens.push(plain(src));
    else lexer.inlineTokens(src, tokens);
  }
  return lexer.tokens;
}

const plain = (text: string): Token => ({ type: 'text', raw: text, text });
