/** The input that holds an array of a layer's cache (`kv/kv-layout.ts`). */
export const pastName = (layer: number, array: string): string => `layer.${layer}.past_${array}`;
