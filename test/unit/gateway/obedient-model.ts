import { compileConstraint, type CompiledConstraint } from '../../../services/lib/grammar/matcher.js';
import { createTokenTrie } from '../../../services/lib/grammar/token-trie.js';
import { randomOf, walk } from '../../support/grammar.js';
import { byteTokenizer } from './byte-text.js';
import type { ScriptedBackend, Script } from './scripted-backend.js';

const trie = createTokenTrie(byteTokenizer, byteTokenizer.vocabularySize);

/** Says what the grammar of a request lets through, bytes at random by its seed, and ends. */
export const obedient: Script = async function* ({ sampling }) {
  const matcher = compileConstraint(sampling.constraint!.source, trie).matcher();
  const { text, ended } = walk(matcher, randomOf(sampling.seed), { over: trie, patience: 250 });
  yield await Promise.resolve({ tokens: [...Buffer.from(text)], ended });
};

/** What the last request was bound to. */
export const askedConstraint = ({ requests }: ScriptedBackend): CompiledConstraint =>
  compileConstraint(requests.at(-1)!.sampling.constraint!.source, trie);
