import type { ModelText } from '../../lib/model/text/encode-chat.js';
import type { TextFiles } from '../../lib/model/types.js';
import type { Tokenizer } from '../../lib/model/text/tokenizer.js';
import type { TextPool } from './text-pool.js';
import {
  requireWithin,
  runTextTask,
  sizeOf,
  type TextLimit,
  type TextResult,
  type TextTask,
} from './text-task.js';

/** Shorter ones take a few milliseconds even where they are one long word, less than many a way to a worker and back. */
const SHORT = 2_048;

/** All work on texts: short ones are done at once, long ones and templates of clients by the workers, hopeless ones not at all. */
export class TextWork {
  readonly #text: ModelText;
  readonly #pool: Pick<TextPool, 'run'> | null;

  /** Without a pool all is done at once. */
  constructor(text: ModelText, pool: Pick<TextPool, 'run'> | null) {
    this.#text = text;
    this.#pool = pool;
  }

  /** Rejects as `TextPool.run` does; the signal ends the wait. */
  async run(task: TextTask, signal: AbortSignal): Promise<TextResult> {
    requireWithin(task);
    if (this.#pool === null || (sizeOf(task) <= SHORT && !isProgram(task)))
      return runTextTask(this.#text, task);
    return this.#pool.run(task, signal);
  }
}

/** What it takes, its length does not tell: a client's template may do anything but end, and forms multiply out. */
const isProgram = (task: TextTask): boolean =>
  task.kind === 'constraint' || (task.kind === 'chat' && task.options.chatTemplate !== undefined);

/**
 * More bytes than a whole context of the longest token has; null where a token may stand for any number of bytes: where
 * the text is normalized, unknown characters become one token or none, or an added token swallows the spaces around it.
 */
export function textLimitOf(files: TextFiles, tokenizer: Tokenizer, contextLength: number): TextLimit | null {
  const {
    normalizer,
    added_tokens: added,
    model,
  } = files.tokenizer as {
    normalizer?: unknown;
    added_tokens?: readonly { lstrip?: boolean; rstrip?: boolean }[];
    model: { byte_fallback?: boolean };
  };
  const swallows = added?.some(({ lstrip, rstrip }) => lstrip === true || rstrip === true) === true;
  const longest = { bytes: 0, single: new Set<number>() };
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const bytes = tokenizer.bytesOf(id);
    longest.bytes = Math.max(longest.bytes, bytes.length);
    if (bytes.length === 1 && !tokenizer.isSpecial(id)) longest.single.add(bytes[0]!);
  }
  // UTF-8 has no bytes above 0xf4, nor 0xc0 and 0xc1.
  const whole = model.byte_fallback === true || longest.single.size >= 0xf5 - 2;
  if (swallows || !whole || !keepsBytes(normalizer)) return null;
  return { bytes: contextLength * longest.bytes, contextLength };
}

/** Whether no normalizer makes a text shorter: a space may become `▁`, which is longer, and be put before it. */
function keepsBytes(normalizer: unknown): boolean {
  if (normalizer === null || normalizer === undefined) return true;
  const { type, normalizers, pattern, content } = normalizer as {
    type: string;
    normalizers?: readonly unknown[];
    pattern?: { String?: string };
    content?: string;
  };
  if (type === 'Sequence') return normalizers!.every(keepsBytes);
  return type === 'Prepend' || (type === 'Replace' && pattern?.String === ' ' && content === '▁');
}
