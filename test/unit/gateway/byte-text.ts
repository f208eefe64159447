import type { ChatTemplate } from '../../../services/lib/model/text/chat-template.js';
import { plain } from '../../../services/lib/model/text/tool-style.js';
import type { Tokenizer } from '../../../services/lib/model/text/tokenizer.js';

export const BOS = 256;
export const EOS = 257;
const SPECIAL = new Map([
  [BOS, '<s>'],
  [EOS, '</s>'],
]);

/** Every byte of UTF-8 is a token, so that characters are spread over several. */
export const byteTokenizer: Tokenizer = {
  vocabularySize: 258,
  stripsLeadingSpace: false,
  specialTokens: [],
  encode: (text, { addSpecialTokens }) => [...(addSpecialTokens ? [BOS] : []), ...Buffer.from(text)],
  decode: (ids) => ids.map((id) => SPECIAL.get(id) ?? String.fromCharCode(id)).join(''),
  idOf: (token) => [...SPECIAL].find(([, text]) => text === token)?.[0],
  tokenOf: (id) => SPECIAL.get(id) ?? String.fromCharCode(id),
  bytesOf: (id) => (id < 256 ? Uint8Array.of(id) : Buffer.from(SPECIAL.get(id) ?? '')),
  isSpecial: (id) => SPECIAL.has(id),
};

/** `user: Hello` on a line, and so on. */
export const lineTemplate: ChatTemplate = {
  problem: null,
  literals: [],
  toolStyle: plain,
  render: (messages, { addGenerationPrompt }) =>
    messages.map(({ role, content }) => `${role}: ${textOf(content)}\n`).join('') +
    (addGenerationPrompt ? 'assistant: ' : ''),
};

const textOf = (content: Parameters<ChatTemplate['render']>[0][number]['content']): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join('\n');

/** The tokens of a text and the end of the turn. */
export const say = (text: string): number[] => [...Buffer.from(text), EOS];
