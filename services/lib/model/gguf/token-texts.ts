import type { FileHandle } from 'node:fs/promises';
import { readRange } from '../checkpoint/stored-tensor.js';

const TOKENS = 'tokenizer.ggml.tokens';

/** U+FEFF in UTF-8. */
const MARK = Buffer.of(0xef, 0xbb, 0xbf);
const UTF_8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Numbers of types; texts and lists begin with how long they are. */
const TEXT = 8;
const LIST = 9;
/** Bytes of a value of any other type. */
const SIZES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/**
 * The metadata that the parser has read from the bytes `[start, end)` of a file, with the tokens as they stand there: the
 * parser drops a byte order mark that a text begins with, so that a token which is one has no text, and one that begins
 * with it the text of another. Throws `checkpoint_truncated`.
 */
export async function withTokenTexts(
  metadata: Readonly<Record<string, unknown>>,
  file: FileHandle,
  [start, end]: readonly [start: number, end: number],
): Promise<Readonly<Record<string, unknown>>> {
  const bytes = Buffer.alloc(end - start);
  await readRange(file, start, bytes);
  const tokens = bytes.includes(MARK) ? tokensAmong(new Pairs(bytes)) : null;
  return tokens === null ? metadata : { ...metadata, [TOKENS]: tokens };
}

/** Null where there are none, or these are no texts. */
function tokensAmong(pairs: Pairs): string[] | null {
  while (!pairs.ended) {
    const key = pairs.text();
    const type = pairs.type();
    if (key !== TOKENS || type !== LIST) {
      pairs.skip(type);
      continue;
    }
    const inner = pairs.type();
    const length = pairs.length();
    return inner === TEXT ? Array.from({ length }, () => pairs.text()) : null;
  }
  return null;
}

/** Reads key-value pairs that the parser has found to be well formed, one after the other. */
class Pairs {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  type(): number {
    const type = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    return type;
  }

  length(): number {
    const length = Number(this.#bytes.readBigUInt64LE(this.#at));
    this.#at += 8;
    return length;
  }

  text(): string {
    const length = this.length();
    const text = UTF_8.decode(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return text;
  }

  skip(type: number): void {
    if (type === LIST) {
      const inner = this.type();
      for (let left = this.length(); left > 0; left--) this.skip(inner);
      return;
    }
    const size = type === TEXT ? this.length() : SIZES[type]!;
    this.#at += size;
  }
}
