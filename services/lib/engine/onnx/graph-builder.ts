import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from './gen/onnx_pb.js';

/** ONNX's TensorProto.DataType, as far as Layermesh uses it. */
export const DataType = { f32: 1, u8: 2, i8: 3, i64: 7, f16: 10 } as const;

export type DataTypeName = keyof typeof DataType;

/** ONNX tells integers from floats; JavaScript does not, so floats are marked. */
type AttributeValue = number | readonly number[] | { readonly float: number };

/** AttributeProto.AttributeType. */
const AttributeType = { float: 1, int: 2, ints: 7 } as const;

/** The name of a tensor in the graph. */
export type Value = string;

/** A fixed size, or the name of one that differs from run to run. */
export type Dimension = number | string;

/** Where the bytes of a weight are: a file beside the others of its model, never inside the graph. */
export interface ExternalTensor {
  readonly dtype: DataTypeName;
  readonly shape: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

export interface NodeOptions {
  readonly attributes?: Record<string, AttributeValue>;
  /** ONNX Runtime's own operators live in `com.microsoft`. */
  readonly domain?: 'com.microsoft';
}

const IR_VERSION = 10n;
const OPSETS = [
  { domain: '', version: 21n },
  { domain: 'com.microsoft', version: 1n },
];
const EXTERNAL = 1;

/** Writes an ONNX model node by node; every method returns the names of the values it makes. */
export class GraphBuilder {
  readonly #graph: GraphProto;
  readonly #constants = new Map<string, Value>();
  readonly #outputNames = new Map<Value, string>();
  #scope = '';
  #nodes = 0;

  constructor(name: string) {
    this.#graph = create(GraphProtoSchema, { name });
  }

  /** Prefixes the names of what `build` adds, so that a profile tells the layers apart. */
  scoped<T>(scope: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}${scope}/`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** An input of the model; a dimension with a name may be another in every run. */
  input(name: string, dtype: DataTypeName, shape: readonly Dimension[]): Value {
    this.#graph.input.push(valueInfo(name, dtype, shape));
    return name;
  }

  /** Makes a node's value an output of the model, called `name`: by renaming it, which costs no node. */
  output(name: string, value: Value, dtype: DataTypeName, shape: readonly Dimension[]): void {
    this.#outputNames.set(value, name);
    this.#graph.output.push(valueInfo(name, dtype, shape));
  }

  /** A constant that stays in its file, of which the model names the place; `name` in the scope that is open. */
  weight(name: string, tensor: ExternalTensor): Value {
    const scoped = this.#scope + name;
    this.#graph.initializer.push(
      create(TensorProtoSchema, {
        name: scoped,
        dims: tensor.shape.map(BigInt),
        dataType: DataType[tensor.dtype],
        dataLocation: EXTERNAL,
        externalData: [
          { key: 'location', value: tensor.file },
          { key: 'offset', value: String(tensor.offset) },
          { key: 'length', value: String(tensor.length) },
        ],
      }),
    );
    return scoped;
  }

  /** A constant of no dimension; equal ones are the same value. */
  scalar(dtype: 'f32' | 'u8' | 'i8', value: number): Value {
    const typed = { f32: Float32Array, u8: Uint8Array, i8: Int8Array }[dtype].of(value);
    return this.#constant(`${dtype}:${value}`, dtype, [], new Uint8Array(typed.buffer));
  }

  /** A one-dimensional int64 constant, such as a shape. */
  ints(...values: number[]): Value {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#constant(`i64:${values.join(',')}`, 'i64', [values.length], bytes);
  }

  /** Adds a node with one output. */
  node(operator: string, inputs: readonly Value[], options: NodeOptions = {}): Value {
    return this.nodes(operator, inputs, 1, options)[0]!;
  }

  /** Adds a node with `count` outputs. */
  nodes(operator: string, inputs: readonly Value[], count: number, options: NodeOptions = {}): Value[] {
    const base = `${this.#scope}${operator}.${this.#nodes++}`;
    const outputs = Array.from({ length: count }, (_, index) => (index === 0 ? base : `${base}:${index}`));
    this.#graph.node.push(
      create(NodeProtoSchema, {
        name: base,
        opType: operator,
        input: [...inputs],
        output: outputs,
        domain: options.domain ?? '',
        attribute: Object.entries(options.attributes ?? {}).map(([name, value]) => toAttribute(name, value)),
      }),
    );
    return outputs;
  }

  /** The serialised ModelProto. */
  build(): Uint8Array {
    const named = (value: Value): string => this.#outputNames.get(value) ?? value;
    for (const node of this.#graph.node) {
      node.input = node.input.map(named);
      node.output = node.output.map(named);
    }
    const model = create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: 'layermesh',
      opsetImport: OPSETS,
      graph: this.#graph,
    });
    return toBinary(ModelProtoSchema, model);
  }

  #constant(key: string, dtype: DataTypeName, shape: readonly number[], bytes: Uint8Array): Value {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    this.#graph.initializer.push(
      create(TensorProtoSchema, {
        name: key,
        dims: shape.map(BigInt),
        dataType: DataType[dtype],
        rawData: bytes,
      }),
    );
    this.#constants.set(key, key);
    return key;
  }
}

function valueInfo(name: string, dtype: DataTypeName, shape: readonly Dimension[]) {
  const dim = shape.map((size) =>
    typeof size === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
      : { value: { case: 'dimParam' as const, value: size } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: DataType[dtype], shape: { dim } } } },
  });
}

function toAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeType.int, i: BigInt(value) });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.float, f: value.float });
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.ints, ints: value.map(BigInt) });
}
