import { TestEnvironment } from 'jest-environment-node';

/**
 * Jest runs tests in a realm of its own. ONNX Runtime, loaded natively, compares typed arrays against the
 * outer realm's constructors and refuses others, so the test realm borrows the outer ones.
 */
export default class SharedTypedArrays extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    Object.assign(this.global, {
      ArrayBuffer,
      SharedArrayBuffer,
      Uint8Array,
      Int8Array,
      Uint16Array,
      Int16Array,
      Uint32Array,
      Int32Array,
      Float32Array,
      Float64Array,
      BigInt64Array,
      BigUint64Array,
      DataView,
    });
  }
}
