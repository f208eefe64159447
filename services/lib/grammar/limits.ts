import { ServingError } from '../errors/serving-error.js';

/** What bounds a constraint in time and space, whoever wrote it. */
export const limits = {
  /** Of a constraint as it travels to the head, characters. */
  source: 512 << 10,
  /** Of a schema, a regex or a grammar as a client sends it, characters. */
  text: 64 << 10,
  /** Nodes of a grammar. */
  nodes: 50_000,
  /** Nodes in one another, references of a schema, groups of a regex, brackets of a grammar. */
  depth: 64,
  /** Values of a schema in one another. */
  schemaDepth: 128,
  /** The highest number of a bounded repetition. */
  repeat: 65_536,
  /** States of the network that a grammar becomes. */
  states: 200_000,
  /** Ways in which one prefix may be read at once. */
  threads: 2_048,
  /** Steps of closures for one mask or one token: some 50 ms. */
  work: 200_000,
  /** Nodes of the vocabulary's trie that are visited for one mask. */
  nodesOfMask: 4_000_000,
  /** Configurations, and frames of stacks, remembered for one grammar. */
  configurations: 4_000,
  /** Cells of the table of sets and symbols that a network has. */
  table: 1 << 24,
  /** States of an intersection of regular languages, and steps to find them. */
  product: 4_096,
  productWork: 2_000_000,
  /** Alternatives that the unions of one schema multiply to. */
  alternatives: 256,
  /** Looks at parts of one schema. */
  schemaWork: 100_000,
} as const;

/** A grammar or a regex that is none, or is beyond the limits. */
export const invalidGrammar = (message: string): ServingError => new ServingError('invalid_grammar', message);
