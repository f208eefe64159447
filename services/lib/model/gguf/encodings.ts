import { GGMLQuantizationType } from '@huggingface/gguf';
import { ServingError } from '../../errors/serving-error.js';
import { BF16 } from '../dequantize/bf16.js';
import type { Encoding } from '../dequantize/encoding.js';
import { F16 } from '../dequantize/f16.js';
import { F32 } from '../dequantize/f32.js';
import { Q4_0 } from '../dequantize/q4-0.js';
import { Q4_1 } from '../dequantize/q4-1.js';
import { Q4_K } from '../dequantize/q4-k.js';
import { Q5_0 } from '../dequantize/q5-0.js';
import { Q5_1 } from '../dequantize/q5-1.js';
import { Q5_K } from '../dequantize/q5-k.js';
import { Q6_K } from '../dequantize/q6-k.js';
import { Q8_0 } from '../dequantize/q8-0.js';

const encodings: ReadonlyMap<number, Encoding> = new Map(
  [F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K].map((encoding) => [
    GGMLQuantizationType[encoding.name as keyof typeof GGMLQuantizationType],
    encoding,
  ]),
);

/** By ggml's type number; throws `unsupported_quantization` with the tensor's name. */
export function ggufEncoding(type: number, tensor: string): Encoding {
  const encoding = encodings.get(type);
  if (encoding !== undefined) return encoding;
  const name = GGMLQuantizationType[type] ?? `type ${type}`;
  throw new ServingError('unsupported_quantization', `tensor "${tensor}" is stored as ${name}`);
}
