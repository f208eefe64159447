import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ServingError } from '../errors/serving-error.js';
import { FrameSchema, MessageSchema, type Message } from './gen/stage_pb.js';

/** Of the protocol in stage.proto. A change that an older process would misread raises it. */
export const PROTOCOL_VERSION = 7;

/**
 * The largest frame on the wire, bytes: 512 rows of a model of 13B in f16, so that a prompt's chunk is as large as its engine
 * wants. Less than a link's credit; sidecars and gRPC are configured well above it.
 */
export const MAX_FRAME_BYTES = 6 << 20;

type Body = Exclude<Message['body'], { case: undefined }>;
export type MessageCase = Body['case'];
export type BodyOf<Case extends MessageCase> = Extract<Body, { case: Case }>['value'];

/** The fields of one message body, as `create` takes them: absent ones get their zero value. */
type Init = NonNullable<Parameters<typeof create<typeof MessageSchema>>[1]>;
export type MessageBody = Exclude<NonNullable<Init['body']>, { case?: undefined }>;

/** Builds a message from its body: `message({ case: 'close', value: { sequence, epoch } })`. */
export const message = (body: MessageBody): Message => create(MessageSchema, { body });

export function encodeMessage(value: Message): Buffer {
  const bytes = toBinary(MessageSchema, value);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * What `encodeMessage` makes, in parts to be sent one after the other: a frame's activations are the last part, and not
 * copied. They must not change until they are sent.
 */
export function encodeParts(value: Message): readonly Uint8Array[] {
  const { body } = value;
  if (body.case !== 'frame' || body.value.activations.length === 0) return [encodeMessage(value)];
  const { items, tokens, activations } = body.value;
  const before = toBinary(FrameSchema, create(FrameSchema, { items, tokens }));
  const announced = new BinaryWriter()
    .tag(FrameSchema.field.activations.number, WireType.LengthDelimited)
    .uint32(activations.length)
    .finish();
  const head = new BinaryWriter()
    .tag(MessageSchema.field.frame.number, WireType.LengthDelimited)
    .uint32(before.length + announced.length + activations.length)
    .raw(before)
    .raw(announced);
  return [head.finish(), activations];
}

/** Throws `invalid_frame` for bytes that are no message of this protocol; never anything else. */
export function decodeMessage(bytes: Uint8Array): Message {
  let decoded: Message;
  try {
    decoded = fromBinary(MessageSchema, bytes);
  } catch (cause) {
    throw new ServingError('invalid_frame', `${bytes.length} bytes are not a message`, { cause });
  }
  if (decoded.body.case === undefined) throw new ServingError('invalid_frame', 'a message without a body');
  return decoded;
}
