/** The part of a model that one stage owns: layers `[start, end)` of `layers`. */
export interface LayerRange {
  readonly start: number;
  readonly end: number;
  readonly layers: number;
}

export const ownsEmbedding = (range: LayerRange): boolean => range.start === 0;
export const ownsHead = (range: LayerRange): boolean => range.end === range.layers;
