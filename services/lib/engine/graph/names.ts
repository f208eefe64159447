export const pastKeyName = (layer: number): string => `layer.${layer}.past_key`;
export const pastValueName = (layer: number): string => `layer.${layer}.past_value`;
export const newKeyName = (layer: number): string => `layer.${layer}.new_key`;
export const newValueName = (layer: number): string => `layer.${layer}.new_value`;
