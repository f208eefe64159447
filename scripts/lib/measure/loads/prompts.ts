import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../../../services/lib/model/open-checkpoint.js';
import { loadChatTemplate } from '../../../../services/lib/model/text/chat-template.js';
import { loadTokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import type { TextFiles } from '../../../../services/lib/model/types.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import { locateModel } from '../../model/prepare.js';
import { repositoryRoot } from '../../repository.js';
import type { PlannedRequest, PromptSource, Schedule } from '../types.js';

/** Ids that every llama-like vocabulary has, above its special and byte tokens. */
const IDS = { first: 300, count: 31_700 };

/**
 * Prompts of random token ids: exact in length, and with no prefix in common that a cache could use. The same
 * seed gives the same prompts in the same order.
 */
export function randomPrompts(seed: number): PromptSource {
  const tokens = randomTokens(seed);
  return ({ promptTokens }) => tokens(promptTokens);
}

export function randomTokens(seed: number): (count: number) => number[] {
  const random = createRandom(seed);
  return (count) => Array.from({ length: count }, () => IDS.first + Math.floor(random() * IDS.count));
}

interface SharedPrefixOptions {
  /** Of the prompts that two requests have in common. */
  readonly sharedTokens: number;
  /** Of each prompt besides. */
  readonly ownTokens: number;
  readonly outputTokens: number;
}

/** Pairs of requests, one request at a time: what does the second gain from what the first has left behind? */
export function sharedPrefixWorkload(options: SharedPrefixOptions, pairs: number): Schedule {
  const { sharedTokens, ownTokens, outputTokens } = options;
  const request = (kind: string): PlannedRequest => ({
    kind,
    promptTokens: sharedTokens + ownTokens,
    outputTokens,
  });
  const requests = Array.from({ length: pairs }, () => [request('first'), request('second')]).flat();
  return { type: 'closed', clients: 1, requests };
}

/** A prefix of random ids for each `first`, which the `second` after it repeats; what follows is its own. */
export function sharedPrefixPrompts(
  seed: number,
  { sharedTokens, ownTokens }: SharedPrefixOptions,
): PromptSource {
  const tokens = randomTokens(seed);
  let shared: number[] = [];
  return ({ kind }) => {
    if (kind === 'first') shared = tokens(sharedTokens);
    return [...shared, ...tokens(ownTokens)];
  };
}

const TEXT = join(repositoryRoot, 'test', 'fixtures', 'tom-sawyer.txt');
const INSTRUCTION = 'Rewrite this text word for word:';

/** Prompts by seed. */
export type Rewriter = (seed: number) => PromptSource;

/**
 * Prompts that ask for a passage of about so many tokens to be written again, by the model's own chat template where
 * it has one: the answer copies most of the prompt, as edits of a text or of code do. Passages begin at random lines.
 */
export async function rewriter(text: TextFiles, passageTokens: number): Promise<Rewriter> {
  const lines = (await readFile(TEXT, 'utf8')).split('\n');
  const tokenizer = loadTokenizer(text);
  const tokensOf = (content: string): number[] => tokenizer.encode(content, { addSpecialTokens: false });
  const lengths = lines.map((line) => tokensOf(`${line}\n`).length);
  const render = rendererOf(text);

  const passage = (start: number): string => {
    const taken: string[] = [];
    for (let at = start, tokens = 0; tokens < passageTokens; at = (at + 1) % lines.length) {
      taken.push(lines[at]!);
      tokens += lengths[at]!;
    }
    return taken.join('\n').trim();
  };
  return (seed) => {
    const random = createRandom(seed);
    return () => tokensOf(render(`${INSTRUCTION}\n\n${passage(Math.floor(random() * lines.length))}`));
  };
}

function rendererOf(text: TextFiles): (content: string) => string {
  if (text.tokenizerConfig['chat_template'] === undefined) return (content) => `${content}\n\n`;
  const template = loadChatTemplate(text);
  return (content) => template.render([{ role: 'user', content }], { addGenerationPrompt: true });
}

/** Tokenizer and chat template of the model that is measured, for workloads whose prompts are texts. */
export async function modelText(model: string | undefined, signal: AbortSignal): Promise<TextFiles> {
  const checkpoint = await openCheckpoint(await locateModel(model, signal), signal);
  await checkpoint.close();
  return checkpoint.text;
}
