/**
 * What `@mlc-ai/web-xgrammar` costs and keeps: `node xgrammar.mjs PACKAGE TOKENIZER`, with the folder of the package
 * (installed wherever, for nothing else needs it) and a model's tokenizer.json. Prints a table of Markdown.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, dirname } from 'node:path';
import vm from 'node:vm';
import { instanceOf, schemaOf } from './schemas.mjs';

const [packageFolder, tokenizerFile] = process.argv.slice(2);
const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1];
const rows = [];
const row = (what, value) => rows.push(`| ${what} | ${value} |`);
const ms = (value) => `${value.toPrecision(3)} ms`;
const timed = async (work) => {
  const since = performance.now();
  const result = await work();
  return [result, performance.now() - since];
};

/** The package says that it is a module, but what it holds is CommonJS with an `import()`. */
function load(folder) {
  const file = join(folder, 'lib', 'index.js');
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
  const script = new vm.Script(source, {
    filename: file,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports;
}

const plain = await import(join(packageFolder, 'lib', 'index.js')).then(
  (loaded) => Object.keys(loaded).length > 0,
  () => false,
);
row('a plain `import` has its names', plain ? 'yes' : 'no: it is CommonJS that says it is a module');

const before = process.memoryUsage().rss;
const [xgrammar, loading] = await timed(() => load(packageFolder));
const { vocab } = JSON.parse(readFileSync(tokenizerFile, 'utf8')).model;
const tokens = Object.keys(vocab).sort((a, b) => vocab[a] - vocab[b]);
const [info, tokenizing] = await timed(() =>
  xgrammar.TokenizerInfo.createTokenizerInfo(tokens, 'byte_level', false, tokens.length, [2]),
);
row('loading the bundle', ms(loading));
row(`the WASM and TokenizerInfo of ${tokens.length} tokens`, ms(tokenizing));
row('memory after it', `${((process.memoryUsage().rss - before) / 2 ** 20).toFixed(0)} MiB`);

const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
const SCHEMAS = 60;
const compiles = [];
const masks = [];
const firstMasks = [];
let refused = 0;
for (let seed = 0; seed < SCHEMAS; seed += 1) {
  const schema = schemaOf(seed);
  const text = JSON.stringify(schema);
  try {
    const [compiled, time] = await timed(() => compiler.compileJSONSchema(text, true, -1));
    compiles.push(time);
    const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(compiled);
    // Token by token, each as long as the vocabulary has it: what a model's mask is asked for.
    let left = JSON.stringify(instanceOf(schema));
    for (let count = 0; left !== '' && count < 400; count += 1) {
      const [, time] = await timed(() => matcher.getNextTokenBitmask());
      (count === 0 ? firstMasks : masks).push(time);
      const token = longest(left);
      if (!matcher.acceptToken(vocab[token])) break;
      left = left.slice(token.length);
    }
    matcher.dispose();
    compiled.dispose();
  } catch (error) {
    refused += 1;
    process.stderr.write(`schema ${seed}: ${String(error).slice(0, 120)}\n`);
  }
}
function longest(text) {
  const spelled = text.replaceAll(' ', 'Ġ');
  for (let length = Math.min(16, spelled.length); ; length -= 1) {
    if (Object.hasOwn(vocab, spelled.slice(0, length))) return spelled.slice(0, length);
  }
}
row(
  `compile, ${compiles.length} schemas of 2 kB, p50 / p95 / max`,
  [0.5, 0.95, 1].map((p) => ms(percentile(compiles, p))).join(' / '),
);
row('schemas refused or failed', refused);
row('first mask, p50 / p95', [0.5, 0.95].map((p) => ms(percentile(firstMasks, p))).join(' / '));
row(
  `later masks (${masks.length}), p50 / p99 / max`,
  [0.5, 0.99, 1].map((p) => ms(percentile(masks, p))).join(' / '),
);

/** Schemas with an instance that they forbid: which of them it lets through. */
const forbidden = {
  'maximum: 1, and 1.5': [{ type: 'number', maximum: 1 }, '1.5'],
  'multipleOf: 5, and 7': [{ type: 'integer', multipleOf: 5 }, '7'],
  'minLength with a format, and ""': [{ type: 'string', format: 'x-own', minLength: 3 }, '""'],
  'uniqueItems, and [1, 1]': [{ type: 'array', items: { type: 'integer' }, uniqueItems: true }, '[1, 1]'],
  'contains, and [1]': [{ type: 'array', contains: { type: 'string' } }, '[1]'],
  'not, and 1': [{ not: { type: 'integer' } }, '1'],
  'if/then, and 1': [{ if: { type: 'integer' }, then: { minimum: 5 } }, '1'],
  'allOf of two, and 20': [{ type: 'integer', allOf: [{ maximum: 10 }, { minimum: 3 }] }, '20'],
  'anyOf beside required, and {}': [
    { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'], anyOf: [{ type: 'object' }] },
    '{}',
  ],
  'propertyNames, and {"b": 1}': [
    { type: 'object', propertyNames: { pattern: '^a' }, additionalProperties: { type: 'integer' } },
    '{"b": 1}',
  ],
  'oneOf that overlaps, and 7': [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, '7'],
};
const lets = [];
const refuses = [];
for (const [name, [schema, text]] of Object.entries(forbidden)) {
  try {
    const grammar = await xgrammar.Grammar.fromJSONSchema(JSON.stringify(schema), true);
    if (await xgrammar.Testings.isGrammarAcceptString(grammar, text)) lets.push(name);
    grammar.dispose();
  } catch {
    refuses.push(name);
  }
}
row(
  `forbidden instances let through, of ${Object.keys(forbidden).length}`,
  `${lets.length}: ${lets.join('; ')}`,
);
row('of these refused', `${refuses.length}: ${refuses.join('; ')}`);

const rss = process.memoryUsage().rss;
const small = JSON.stringify({ type: 'object', properties: { a: { type: 'integer' } } });
for (let count = 0; count < 1_000; count += 1) (await compiler.compileJSONSchema(small)).dispose();
row(
  'memory after 1,000 compiled and disposed',
  `+${((process.memoryUsage().rss - rss) / 2 ** 20).toFixed(0)} MiB`,
);

for (const [name, attempt] of [
  ['a grammar that is none', () => xgrammar.Grammar.fromEBNF('root ::= ((("a"')],
  ['a grammar whose rule is missing', () => compiler.compileGrammar('root ::= missing')],
  ['a schema that is no JSON', () => compiler.compileJSONSchema('{')],
]) {
  const outcome = await attempt().then(
    () => 'taken',
    (error) => String(error).slice(0, 60),
  );
  const after = await compiler.compileJSONSchema(small).then(
    () => 'goes on',
    (error) => `is lost: ${String(error).slice(0, 60)}`,
  );
  row(name, `${outcome}; afterwards the instance ${after}`);
}
process.stdout.write(`| what | measured |\n| --- | --- |\n${rows.join('\n')}\n`);
