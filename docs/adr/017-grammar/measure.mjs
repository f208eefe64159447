// The numbers of ADR 017 for our own engine: what a schema of 2 kB costs to convert, to compile, and for each token.
//     npm run build && npm run prepare-model
//     node docs/adr/017-grammar/measure.mjs TOKENIZER    (a model's tokenizer.json)
import { readFileSync } from 'node:fs';
import { compileConstraint } from '../../../dist/services/lib/grammar/matcher.js';
import { sourceOfForm } from '../../../dist/services/lib/grammar/source.js';
import { createTokenTrie } from '../../../dist/services/lib/grammar/token-trie.js';
import { loadTokenizer } from '../../../dist/services/lib/model/text/tokenizer.js';
import { instanceOf, schemaOf } from './schemas.mjs';

const tokenizer = loadTokenizer({
  tokenizer: JSON.parse(readFileSync(process.argv[2], 'utf8')),
  tokenizerConfig: {},
});
const SCHEMAS = 60;
const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1];
const rows = [];
const row = (what, value) => rows.push(`| ${what} | ${value} |`);
const ms = (values, ...shares) =>
  shares.map((share) => `${percentile(values, share).toPrecision(3)} ms`).join(' / ');
const timed = (work) => {
  const since = performance.now();
  const result = work();
  return [result, performance.now() - since];
};

const [trie, making] = timed(() => createTokenTrie(tokenizer, tokenizer.vocabularySize));
row(`the trie of ${tokenizer.vocabularySize} tokens, ${trie.byte.length} nodes`, ms([making], 1));

// A process that serves has done it before: its code is compiled.
const WARM_UP = 100;
for (let seed = SCHEMAS; seed < SCHEMAS + WARM_UP; seed += 1) {
  compileConstraint(sourceOfForm({ kind: 'json_schema', schema: schemaOf(seed) }), trie)
    .matcher()
    .mask();
}

const times = { convert: [], compile: [], firstMask: [], cold: [], warm: [], accept: [] };
const sizes = [];
const bytes = [];
for (let seed = 0; seed < SCHEMAS; seed += 1) {
  const schema = schemaOf(seed);
  const [source, converting] = timed(() => sourceOfForm({ kind: 'json_schema', schema }));
  const [constraint, compiling] = timed(() => compileConstraint(source, trie));
  times.convert.push(converting);
  times.compile.push(compiling);
  sizes.push(source.length);
  const ids = tokenizer.encode(JSON.stringify(instanceOf(schema)), { addSpecialTokens: false });
  for (const round of ['cold', 'warm']) {
    const matcher = constraint.matcher();
    for (const [index, id] of ids.entries()) {
      const [, masking] = timed(() => matcher.mask());
      (round === 'cold' && index === 0 ? times.firstMask : times[round]).push(masking);
      const [accepted, accepting] = timed(() => matcher.accept(id));
      if (!accepted) throw new Error(`schema ${seed}: token ${id} at ${index} is not accepted`);
      times.accept.push(accepting);
    }
    if (!matcher.complete) throw new Error(`schema ${seed}: the instance is not complete`);
  }
  bytes.push(constraint.bytes);
}
const total = times.convert.map((time, index) => time + times.compile[index]);
row(`${SCHEMAS} schemas of 2 kB: convert, p50 / p95 / max`, ms(times.convert, 0.5, 0.95, 1));
row('compile from the source, p50 / p95 / max', ms(times.compile, 0.5, 0.95, 1));
row('both, p50 / p95 / max', ms(total, 0.5, 0.95, 1));
row(
  'the source, p50 / max',
  [0.5, 1].map((share) => `${(percentile(sizes, share) / 1024).toFixed(1)} KiB`).join(' / '),
);
row('first mask, p50 / p95 / max', ms(times.firstMask, 0.5, 0.95, 1));
row(
  `masks of a schema's first generation (${times.cold.length}), p50 / p95 / p99 / max`,
  ms(times.cold, 0.5, 0.95, 0.99, 1),
);
row(`of later ones (${times.warm.length}), p50 / p99 / max`, ms(times.warm, 0.5, 0.99, 1));
row('accept, p50 / p99', ms(times.accept, 0.5, 0.99));
row(
  'a first generation, masks and accepts together, mean a token',
  `${(times.cold.reduce((a, b) => a + b, 0) / times.cold.length).toPrecision(3)} ms`,
);
row(
  'what is remembered after one generation, p50 / max',
  [0.5, 1].map((share) => `${(percentile(bytes, share) / 2 ** 20).toFixed(2)} MiB`).join(' / '),
);
process.stdout.write(`| what | measured |\n| --- | --- |\n${rows.join('\n')}\n`);
