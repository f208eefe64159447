import { ServingError } from '../errors/serving-error.js';
import { layerTensorNames, tensorShape } from './tensor-names.js';
import type { ModelConfig } from './types.js';

/** The part of a model that one stage owns: layers `[start, end)` of `layers`. */
export interface LayerRange {
  readonly start: number;
  readonly end: number;
  readonly layers: number;
}

export const ownsEmbedding = (range: LayerRange): boolean => range.start === 0;
export const ownsHead = (range: LayerRange): boolean => range.end === range.layers;

/**
 * The stages that boundaries such as `10,20` cut `layers` layers into; an empty text is one stage. Throws
 * `invalid_split` with the boundary that is not a number, out of range or not above the one before.
 */
export function parseSplit(text: string, layers: number): LayerRange[] {
  const parts = text.trim() === '' ? [] : text.split(',');
  const boundaries = parts.map((part, index) => {
    const boundary = /^\s*\d+\s*$/.test(part) ? Number(part) : NaN;
    const previous = index === 0 ? 0 : Number(parts[index - 1]);
    const where = `boundary ${index + 1} of "${text}"`;
    if (Number.isNaN(boundary)) throw invalid(`${where} is "${part}", not a number`);
    if (boundary < 1 || boundary >= layers) {
      throw invalid(`${where} is ${boundary}, not between 1 and ${layers - 1}`);
    }
    if (boundary <= previous) throw invalid(`${where} is ${boundary}, not above ${previous}`);
    return boundary;
  });
  return stageRanges(boundaries, layers);
}

/** The stages between valid boundaries. */
export function stageRanges(boundaries: readonly number[], layers: number): LayerRange[] {
  return [...boundaries, layers].map((end, index) => ({ start: boundaries[index - 1] ?? 0, end, layers }));
}

/** Cached tokens that a token meets in attention, on average of what is served. */
const CONTEXT = 512;

/** Of all tokens, those that pass through the LM head: generated ones, but of a prompt only the last. */
const GENERATED = 1 / 2;

/**
 * The boundaries of `stages` stages whose most expensive is as cheap as can be (`layerCosts`). Layers cost the same,
 * so the answer is exact by trying every size of the last stage, which carries the head, and spreading the other
 * layers evenly. Throws `invalid_split` for fewer than 1 stage or more than layers.
 */
export function evenSplit(config: ModelConfig, stages: number): number[] {
  const { layers } = config;
  if (!Number.isInteger(stages) || stages < 1 || stages > layers) {
    throw invalid(`${stages} stages of ${layers} layers: every stage owns at least one`);
  }
  if (stages === 1) return [];
  const others = stages - 1;
  const { layer: layerCost, head: headCost } = layerCosts(config);

  let best = { cost: Infinity, rest: 0 };
  for (let last = 1; last <= layers - others; last++) {
    const rest = layers - last;
    const cost = Math.max(Math.ceil(rest / others) * layerCost, last * layerCost + headCost);
    if (cost < best.cost) best = { cost, rest };
  }
  return Array.from({ length: others }, (_, index) => Math.round(((index + 1) * best.rest) / others));
}

/**
 * What a layer and the head cost, in multiplications for each token of a load that is half prompts: a layer one
 * for each weight and two for each query value and cached token, the head one for each weight and generated token.
 * The embedding is a lookup and costs nothing.
 */
export function layerCosts(config: ModelConfig): { layers: number; layer: number; head: number } {
  const { layers, heads, headDim, vocabulary, hidden } = config;
  const attention = 2 * CONTEXT * heads * headDim;
  return { layers, layer: layerWeights(config) + attention, head: GENERATED * vocabulary * hidden };
}

/** Weights of a layer. */
export function layerWeights(config: ModelConfig): number {
  return layerTensorNames(0)
    .map((name) => tensorShape(config, name).reduce((product, size) => product * size, 1))
    .reduce((sum, weights) => sum + weights, 0);
}

/** Weights of all layers, of the embedding and of what comes after the last layer. */
export function modelWeights(config: ModelConfig): number {
  const { layers, vocabulary, hidden, tiedHead } = config;
  return layers * layerWeights(config) + vocabulary * hidden * (tiedHead ? 1 : 2) + hidden;
}

const invalid = (problem: string): ServingError => new ServingError('invalid_split', problem);
