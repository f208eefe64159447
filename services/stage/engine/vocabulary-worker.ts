import { parentPort, workerData } from 'node:worker_threads';
import { buffersOf, createTokenTrie } from '../../lib/grammar/token-trie.js';
import { readModelFile, readTextFiles } from '../../lib/model/shards/open-shards.js';
import { CALL_MARKS } from '../../lib/model/text/tool-style.js';
import { loadTokenizer } from '../../lib/model/text/tokenizer.js';

/**
 * A thread that makes the trie of a model's tokens for the head, and ends: it takes half a second and memory for all
 * of the tokenizer, which is spent where an answer is first kept to a grammar, and in the way of no other sequence.
 */
const prepared = workerData as string;
const { vocabulary } = (await readModelFile(prepared)).config;
const tokenizer = loadTokenizer(await readTextFiles(prepared), vocabulary);
const marks = [...CALL_MARKS].flatMap((mark) => tokenizer.idOf(mark) ?? []);
const trie = createTokenTrie(tokenizer, vocabulary, new Set(marks));
parentPort!.postMessage(trie, buffersOf(trie));
