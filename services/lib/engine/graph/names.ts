/** The input that holds an array of a layer's cache (`kv/kv-layout.ts`). */
export const pastName = (layer: number, array: string): string => `layer.${layer}.past_${array}`;

/** The outputs that hold the new rows of the cache, one for each array of its layout. */
export const NEW_ROWS = ['new_rows', 'new_scales'] as const;
