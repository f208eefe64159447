import { create } from '@bufbuild/protobuf';
import { type AttributeProto, AttributeProtoSchema } from './gen/onnx_pb.js';

/** ONNX tells integers from floats; JavaScript does not, so floats are marked. */
export type AttributeValue = number | readonly number[] | { readonly float: number };

/** AttributeProto.AttributeType. */
const AttributeType = { float: 1, int: 2, ints: 7 } as const;

export function toAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeType.int, i: BigInt(value) });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.float, f: value.float });
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.ints, ints: value.map(BigInt) });
}
