/** How a byte-level BPE vocabulary cuts text into words before merging; named by `tokenizer.ggml.pre`. */
export interface PreTokenizer {
  /** Applied in turn: each isolates its matches within the pieces that the one before left. */
  readonly patterns: readonly string[];
  /** A word that is itself a token is taken whole, whatever its merges would give. */
  readonly ignoreMerges: boolean;
  /** Whether a prompt starts with the BOS token where the file does not say. */
  readonly addBos: boolean;
}

// The classic expressions. `\s+(?!\S)` leaves the last space of a run to the word that follows it.
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const TAIL = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** GPT-4's expression, with numbers in groups of up to `digits`. */
const cl100k = (digits: string): string =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${TAIL}`;

const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';

/** GPT-4o's expression: words are also cut where lower case turns to upper. */
const o200k = (suffix: string, digits: string): string =>
  [
    `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${suffix}`,
    `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${suffix}`,
    `\\p{N}${digits}`,
    ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*',
    TAIL,
  ].join('|');

const preTokenizer = (patterns: readonly string[], options: Partial<PreTokenizer> = {}): PreTokenizer => ({
  patterns,
  ignoreMerges: false,
  addBos: false,
  ...options,
});

const gpt2 = preTokenizer([GPT2]);
const singleDigits = preTokenizer(['\\p{N}', GPT2]);
const llama3 = preTokenizer([cl100k('{1,3}')], { ignoreMerges: true, addBos: true });
const gpt4 = preTokenizer([cl100k('{1,3}')]);
const qwen2 = preTokenizer([cl100k('')]);
const gpt4o = preTokenizer([o200k(`${CONTRACTIONS}?`, '{1,3}')]);
const tekken = preTokenizer([o200k('', '')], { ignoreMerges: true, addBos: true });
const deepseekCoder = preTokenizer([
  '[\\r\\n]',
  '\\s?\\p{L}+',
  '\\s?\\p{P}+',
  '[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+',
  '\\p{N}',
]);
const falcon = preTokenizer(['[\\p{P}\\$\\+<=>\\^~\\|`]+', GPT2, '[0-9][0-9][0-9]']);
const fallback = preTokenizer(['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]']);

/** Names that llama.cpp's converter writes. Files without one are older than the key and mean `default`. */
const NAMES = [
  [fallback, ['default']],
  [gpt2, ['gpt-2', 'phi-2', 'gigachat', 'mpt', 'olmo', 'jais', 'exaone4', 'trillion', 'granite-docling']],
  [singleDigits, ['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b']],
  [llama3, ['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'lfm2']],
  [gpt4, ['dbrx', 'smaug-bpe', 'chatglm-bpe']],
  [qwen2, ['qwen2', 'deepseek-r1-qwen', 'megrez', 'hunyuan', 'stablelm2']],
  [gpt4o, ['gpt-4o', 'llama4']],
  [tekken, ['tekken']],
  [falcon, ['falcon']],
  [deepseekCoder, ['deepseek-coder']],
] as const;

/** The pre-tokenizers by name. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  NAMES.flatMap(([preTokenizer, names]) => names.map((name) => [name, preTokenizer] as const)),
);
