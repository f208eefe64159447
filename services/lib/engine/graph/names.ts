export const pastKeyName = (layer: number): string => `layer.${layer}.past_key`;
export const pastValueName = (layer: number): string => `layer.${layer}.past_value`;
